"""A project with customers, for all tests of deliveries."""

from __future__ import annotations

import pytest
from support.airflow.customers import CUSTOMERS
from support.airflow.runs import Project, airflow_database, pgp_home, project

__all__ = ["airflow_database", "pgp_home", "project"]


@pytest.fixture
def customers(project: Project) -> Project:
    """Return a project whose warehouse has three customers."""
    with project.warehouse as warehouse:
        warehouse.execute("CREATE TABLE customers (id, name, amount)")
        warehouse.executemany("INSERT INTO customers VALUES (?, ?, ?)", CUSTOMERS)
    return project
