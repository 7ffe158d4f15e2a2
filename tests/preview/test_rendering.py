"""A query that Airflow cannot render is reported as a configuration error, without retries."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG, Param
from support.airflow.runs import Project, airflow_database, project, task_states

from persado.operators import PersadoExtractOperator
from persado.operators.run_params import run_params

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


def test_a_query_sees_no_parameter_that_no_schema_has_checked() -> None:
    with DAG("checked", params={"state": Param("TX", type="string")} | run_params()) as dag:
        task = PersadoExtractOperator(
            task_id="extract",
            sql="{{ params.items() | list }}",
            conn_id="warehouse",
            settings={"filename_template": "x"},
        )
    # As Airflow gives them: with whatever a run was given.
    params = {"state": "NY", "dry_run": True, "reason": "' OR 1=1", "any": "' OR 1=1"}
    context: Any = {"dag": dag, "task": task, "params": params}

    task.render_template_fields(context)

    assert task.sql == "[('state', 'NY'), ('dry_run', True)]"
    assert context["params"] is params
