"""When an orchestration runs, and which deliveries and assets trigger it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.airflow.runs import Project, airflow_database, project, run_dag, task_states

__all__ = ["airflow_database", "project"]

SETTINGS = {"filename_template": "out.csv"}
NUMBERS = itertools.count()
DAY = timedelta(days=1)


class Upstream:
    """An asset with a DAG that updates it."""

    def __init__(self) -> None:
        self.name = f"upstream_{next(NUMBERS)}"

    def update(self) -> None:
        from airflow.providers.standard.operators.empty import EmptyOperator
        from airflow.sdk import DAG, Asset

        with DAG(f"updates_{self.name}", schedule=None, start_date=datetime(2020, 1, 1)) as dag:
            EmptyOperator(task_id="update", outlets=[Asset(self.name)], on_execute_callback=lambda context: None)
        assert run_dag(dag).state == "success"


class Scheduled:
    """An orchestration with `only_if_changed`."""

    def __init__(self, project: Project, *upstream: str) -> None:
        self.project = project
        self.name = f"scheduled_{next(NUMBERS)}"
        workflow = {"schedule": "0 6 * * *", "only_if_changed": list(upstream)}
        project.describe(self.name, "SELECT 1 AS a", settings=SETTINGS, workflow=workflow)

    def run(self, run_type: str = "scheduled", ends: str = "success", **dag_run: Any) -> str:
        """Run it as if the schedule had started it; return the state of its first task."""
        from persado.dag.factory import make_dag

        configuration = self.project.load()
        assert not configuration.errors
        dag = make_dag(configuration.deliveries[self.name])

        def started_by(context: Any) -> None:
            for name, value in {"run_type": run_type, **dag_run}.items():
                setattr(context["dag_run"], name, value)

        extract: Any = dag.get_task("extract")
        extract.pre_execute = started_by
        self.ran = dag.test()
        assert self.ran.state == ends
        return task_states(self.ran)["extract"]


def test_a_scheduled_run_is_skipped_unless_an_upstream_asset_changed(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = Upstream(), Upstream()
    for upstream in (first, second):
        upstream.update()
    scheduled = Scheduled(project, first.name, second.name)
    assert scheduled.run() == "success"
    assert "There is no earlier delivery" in capfd.readouterr().out

    for path in project.inbox.iterdir():
        path.unlink()
    assert scheduled.run() == "skipped"
    assert "did not change since the last delivery began" in capfd.readouterr().out
    assert project.arrived() == {}
    assert scheduled.run("manual") == "success"

    second.update()
    assert scheduled.run() == "success"
    assert f"{second.name} changed since the last delivery began" in capfd.readouterr().out
    assert scheduled.run() == "skipped"


def test_an_upstream_asset_that_nothing_updates_is_reported(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    scheduled = Scheduled(project, "mistyped", "s3://bucket/mistyped")
    assert scheduled.run() == "success"
    capfd.readouterr()
    assert scheduled.run() == "skipped"
    log = capfd.readouterr().out
    for name in ("mistyped", "s3://bucket/mistyped"):
        assert f"The asset {name} was never updated. Check its spelling in only_if_changed" in log


def test_a_change_before_a_failed_run_is_cleared_still_counts(project: Project) -> None:
    """A run that is cleared sends the rows of its original query, so later changes still count."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import update

    upstream = Upstream()
    upstream.update()
    scheduled = Scheduled(project, upstream.name)
    project.connect(password="not the right one")
    assert scheduled.run(ends="failed") == "success"
    upstream.update()

    project.connect()
    with create_session() as session:  # as Airflow does with a run that is cleared
        cleared = {"state": "running", "start_date": datetime.now(UTC)}
        session.execute(update(DagRun).where(DagRun.run_id == scheduled.ran.run_id).values(cleared))
    assert set(project.clear(scheduled.name, scheduled.ran, "upload", "success_file").values()) == {"success"}
    assert scheduled.run() == "success"
    assert scheduled.run() == "skipped"
    assert scheduled.run(clear_number=1) == "success"


def test_a_past_interval_that_is_sent_again_does_not_count_as_last_delivery(project: Project) -> None:
    upstream = Upstream()
    scheduled = Scheduled(project, upstream.name)
    today = datetime.now(UTC).replace(microsecond=0)
    assert scheduled.run(data_interval_start=today - DAY, data_interval_end=today) == "success"
    upstream.update()
    assert (
        scheduled.run("backfill", data_interval_start=today - 3 * DAY, data_interval_end=today - 2 * DAY) == "success"
    )
    assert scheduled.run(data_interval_start=today, data_interval_end=today + DAY) == "success"
    assert scheduled.run(data_interval_start=today, data_interval_end=today + DAY) == "skipped"


@pytest.mark.parametrize("uri", ["postgresql://host/db/schema/table", "s3://bucket/key/", "persado://site/first"])
def test_the_uri_of_an_asset_is_normalised(project: Project, uri: str) -> None:
    from airflow.sdk import Asset

    from persado.dag.factory import make_dag

    project.describe("reacts", "SELECT 1 AS a", settings=SETTINGS, workflow={"when_changed": [uri, "a_name"]})
    dag: Any = make_dag(project.load().deliveries["reacts"])
    by_uri, by_name = dag.timetable.asset_condition.objects
    assert (by_uri.uri, by_name.name) == (Asset(uri=uri).uri, "a_name")


def test_an_invalid_asset_uri_does_not_break_the_dag(project: Project) -> None:
    from persado.dag.factory import make_dag

    project.describe("reacts", "SELECT 1 AS a", settings=SETTINGS, workflow={"when_changed": ["airflow://reserved"]})
    assert make_dag(project.load().deliveries["reacts"]).dag_id == "reacts"
