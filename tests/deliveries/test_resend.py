"""A past interval sent again: by a run with a logical date, and by a backfill."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from support.airflow.runs import Project, airflow_database, event_extra, project

__all__ = ["airflow_database", "project"]

DAY = "{{ data_interval_start | ds }}"


def finish(dag: Any, run_id: str) -> str:
    """Run the tasks of a run that Airflow has created, as its scheduler does; return the run's state."""
    from airflow.models.dagrun import DagRun
    from airflow.sdk.definitions.dag import _run_task
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState, TaskInstanceState
    from sqlalchemy import select

    from persado.entrypoints.run_listener import on_dag_run_running

    with create_session() as session:
        run = session.scalars(select(DagRun).where(DagRun.dag_id == dag.dag_id, DagRun.run_id == run_id)).one()
        run.dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
        run.state, run.start_date = DagRunState.RUNNING, datetime.now(UTC)
        on_dag_run_running(run, "")
        while run.state == DagRunState.RUNNING:
            ready, _ = run.update_state(session=session)
            for task in ready:
                task.try_number += 1
                task.state = TaskInstanceState.SCHEDULED
            session.commit()
            for task in ready:
                _run_task(ti=task, task=dag.task_dict[task.task_id])
            session.expire_all()
        return str(run.state)


def test_files_of_a_past_interval_are_named_after_it_for_manual_runs_and_backfills(project: Project) -> None:
    from airflow.models.backfill import ReprocessBehavior, _create_backfill
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from persado.dag.factory import make_dag

    project.describe(
        "again",
        f"SELECT '{DAY}' AS day",
        settings={"filename_template": "{{data_interval_start|local:'America/New_York'|format:'yyyy-MM-dd'}}.csv"},
        workflow={"schedule": "0 0 * * *", "timezone": "America/New_York"},
    )
    # Manually: the last interval that had ended by then.
    by_hand = project.run("again", logical_date=datetime(2026, 3, 5, 12, tzinfo=UTC), run_conf={"reason": "lost"})
    assert by_hand.state == "success"
    assert project.arrived() == {"2026-03-04.csv": b"day\n2026-03-04\n", "2026-03-04.csv.DONE": b""}
    assert event_extra("again")["reason"] == "lost"

    # By a backfill: each interval that begins between the two dates.
    _create_backfill(
        dag_id="again",
        from_date=datetime(2026, 3, 7, tzinfo=UTC),
        to_date=datetime(2026, 3, 9, tzinfo=UTC),
        max_active_runs=1,
        reverse=False,
        dag_run_conf={},
        triggering_user_name="admin",
        reprocess_behavior=ReprocessBehavior.NONE,
    )
    with create_session() as session:
        runs = session.scalars(
            select(DagRun).where(DagRun.dag_id == "again", DagRun.run_type == "backfill").order_by(DagRun.logical_date)
        ).all()
        run_ids = [run.run_id for run in runs]
    dag = make_dag(project.load().deliveries["again"])
    assert [finish(dag, run_id) for run_id in run_ids] == ["success", "success"]
    # On 8 March there is no 02:00 in New York, but that day is an interval, too.
    assert [name for name in project.arrived() if name.endswith(".csv")] == [
        "2026-03-04.csv",
        "2026-03-07.csv",
        "2026-03-08.csv",
    ]
    receipt = event_extra("again")
    assert (receipt["triggered_by"], receipt["files"][0]["name"]) == ("admin", "2026-03-08.csv")
