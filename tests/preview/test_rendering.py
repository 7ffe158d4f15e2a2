"""A query that Airflow cannot render is reported as a configuration error, without retries."""

from __future__ import annotations

import pytest
from support.airflow.runs import Project, airflow_database, project, task_states

__all__ = ["airflow_database", "project"]


@pytest.mark.parametrize("execution", ["chained", "streamed"])
def test_unknown_name_in_a_query_is_reported(
    project: Project, capfd: pytest.CaptureFixture[str], execution: str
) -> None:
    name = f"unrendered_{execution}"  # a unique name, because all tests share the history
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
    from persado.ledger.reader import read_history  # imported here: it needs the database of the fixture

    [record] = read_history(f"persado://{name}_site/{name}")
    assert (record.outcome, getattr(record, "message", None)) == ("failed", problem)
