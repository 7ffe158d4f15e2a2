"""A query that Airflow cannot render: told like any other mistake of the configuration, and not tried again."""

from __future__ import annotations

import pytest
from support.airflow.runs import Project, airflow_database, project, task_states

__all__ = ["airflow_database", "project"]


@pytest.mark.parametrize("execution", ["chained", "streamed"])
def test_a_name_that_is_not_there(project: Project, capfd: pytest.CaptureFixture[str], execution: str) -> None:
    name = f"unrendered_{execution}"  # no other test's: the history is that of all of them
    project.describe(
        name,
        "SELECT 1 AS a\n, '{{ params.nothing }}' AS b",
        settings={"filename_template": "x"},
        execution=execution,
    )

    run = project.run(name)

    assert next(iter(task_states(run).values())) == "failed"
    problem = f"{name}.sql:2: Airflow cannot render it: 'dict object' has no attribute 'nothing'"
    assert f"persado.errors.ConfigurationError: {problem}" in "".join(capfd.readouterr())
    from persado.ledger.reader import read_history  # reads the database that the fixture has made

    [record] = read_history(f"persado://{name}_site/{name}")
    assert (record.outcome, getattr(record, "message", None)) == ("failed", problem)
