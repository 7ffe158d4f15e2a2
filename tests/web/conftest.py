"""Airflow's API server with the plugin, and clients for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.airflow.pages import logged_in
from support.airflow.runs import airflow_database, project

__all__ = ["airflow_database", "project"]


@pytest.fixture(scope="package")
def airflow(airflow_database: None) -> Iterator[Any]:
    """Yield Airflow's API server with the plugin."""
    from airflow.api_fastapi.app import create_app, purge_cached_app

    with pytest.MonkeyPatch.context() as env:
        env.setenv("AIRFLOW__CORE__AUTH_MANAGER", "support.airflow.one_dag_auth.OneDagAuthManager")
        env.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "ann:viewer")
        env.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "0123456789" * 7)
        purge_cached_app()
        yield create_app("core")
        purge_cached_app()


@pytest.fixture
def server(airflow: Any) -> TestClient:
    """Return a client that is not logged in."""
    return TestClient(airflow, follow_redirects=False)


@pytest.fixture
def ann(server: TestClient) -> TestClient:
    """Return the client of Ann, who may read everything."""
    return logged_in(server, "ann")
