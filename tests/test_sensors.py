"""`PersadoDoneSensor` in DAG runs, deferred and in a worker: results and failures."""

from __future__ import annotations

import itertools
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from support.airflow.runs import Project, airflow_database, project, run_dag, task_states
from support.sites.sftp_server import Door, SftpServer

__all__ = ["airflow_database", "project"]

RUNS = itertools.count()


@pytest.fixture
def waits(project: Project) -> Any:
    """Return a function that runs a DAG of one sensor, as `airflow dags test` does."""
    from airflow.sdk import DAG

    from persado.sensors import PersadoDoneSensor

    def run(**arguments: Any) -> Any:
        defaults = {"path": "/inbox/*.DONE", "persado_conn_id": "site", "poke_interval": 0.05, "timeout": 20}
        with DAG(f"waits_{next(RUNS)}", schedule=None, start_date=datetime(2020, 1, 1)) as dag:
            PersadoDoneSensor(task_id="wait", **{**defaults, **arguments})
        return run_dag(dag)

    return run


def returned(run: Any) -> Any:
    [task] = run.get_task_instances()
    return task.xcom_pull(task_ids="wait", key="return_value")


@pytest.mark.parametrize("how", [{"deferrable": False}, {"deferrable": False, "mode": "reschedule"}, {}])
def test_existing_file_is_returned(project: Project, waits: Any, how: dict[str, Any]) -> None:
    (project.inbox / "out.csv.DONE").write_text(json.dumps({"rows": 3}))
    run = waits(path="/inbox/{{ 'out.csv' }}.DONE", newer_than="2020-01-01", persado_conn_id="{{ 'site' }}", **how)
    assert run.state == "success"
    found = returned(run)
    assert datetime.fromisoformat(found.pop("mtime")).tzinfo is not None
    assert found == {"path": "/inbox/out.csv.DONE", "size": 11, "manifest": {"rows": 3}}


class Late(Door):
    """Create the file at the third login."""

    def connection_made(self, conn: Any) -> None:
        super().connection_made(conn)
        if len(self.server.connections) == 3:
            (self.server.folder / "inbox" / "late.DONE").touch()


@pytest.mark.parametrize("deferrable", [True, False])
def test_sensor_tolerates_lost_connections(project: Project, waits: Any, deferrable: bool) -> None:
    class Cutting(Late):
        def begin_auth(self, username: str) -> bool:
            if len(self.server.connections) == 2:
                self.connection.abort()
            return super().begin_auth(username)

    with SftpServer(project.site.folder, door=Cutting) as site:
        project.connect(host="127.0.0.1", port=site.port, extra={"host_key": site.host_key})
        run = waits(deferrable=deferrable)
    assert run.state == "success"
    assert returned(run)["path"] == "/inbox/late.DONE"


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize(("soft_fail", "state"), [(False, "failed"), (True, "skipped")])
def test_timeout_fails_or_skips_the_task(waits: Any, deferrable: bool, soft_fail: bool, state: str) -> None:
    run = waits(timeout=0.2, deferrable=deferrable, soft_fail=soft_fail)
    assert task_states(run) == {"wait": state}


@pytest.mark.parametrize(("soft_fail", "ends"), [(False, "AirflowSensorTimeout"), (True, "AirflowSkipException")])
def test_file_is_found_after_a_trigger_timeout(project: Project, soft_fail: bool, ends: str) -> None:
    """Without a triggerer, Airflow's scheduler ends the wait."""
    from airflow.sdk import exceptions
    from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR, TriggerFailureReason

    from persado.sensors import PersadoDoneSensor

    arguments: Any = {"path": "/inbox/*.DONE", "persado_conn_id": "site", "soft_fail": soft_fail}
    sensor = PersadoDoneSensor(task_id="wait", **arguments)
    timed_out: Any = (TRIGGER_FAIL_REPR, {"error": TriggerFailureReason.TRIGGER_TIMEOUT}, {})
    with pytest.raises(getattr(exceptions, ends)):
        sensor.resume_execution(*timed_out)
    (project.inbox / "out.DONE").touch()
    assert sensor.resume_execution(*timed_out)["path"] == "/inbox/out.DONE"
    project.connect(password="not the right one")
    with pytest.raises(getattr(exceptions, ends)):
        sensor.resume_execution(*timed_out)


@pytest.mark.parametrize("how", [{}, {"deferrable": False}, {"deferrable": False, "silent_fail": True}])
def test_refused_login_is_not_retried(
    project: Project, waits: Any, how: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    project.connect(password="not the right one")
    assert task_states(waits(**how)) == {"wait": "failed"}
    assert project.site.logins == ["password"]
    log = capfd.readouterr().out
    assert "the site refused the login" in log
    assert "not the right one" not in log


@pytest.mark.parametrize("how", [{}, {"deferrable": False}])
def test_refused_login_of_a_mapped_sensor_is_not_retried(project: Project, how: dict[str, Any]) -> None:
    from airflow.sdk import DAG

    from persado.sensors import PersadoDoneSensor

    project.connect(password="not the right one")
    retries = {"retries": 2, "retry_delay": timedelta(0)}
    with DAG(f"waits_{next(RUNS)}", schedule=None, start_date=datetime(2020, 1, 1), default_args=retries) as dag:
        PersadoDoneSensor.partial(task_id="wait", persado_conn_id="site", **how).expand(path=["/inbox/a.DONE"])
    assert task_states(run_dag(dag)) == {"wait": "failed"}
    assert project.site.logins == ["password"]


def test_refused_login_skips_with_never_fail(project: Project, waits: Any) -> None:
    project.connect(password="not the right one")
    assert task_states(waits(never_fail=True)) == {"wait": "skipped"}


@pytest.mark.parametrize("deferrable", [True, False])
def test_too_many_transient_failures_fail_the_task(
    project: Project, waits: Any, deferrable: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    class Refusing(Door):
        def begin_auth(self, username: str) -> bool:
            self.connection.abort()
            return True

    with SftpServer(project.site.folder, door=Refusing) as site:
        project.connect(host="127.0.0.1", port=site.port, extra={"host_key": site.host_key})
        assert waits(deferrable=deferrable, max_transient_failures=1).state == "failed"
    assert "failure 2 in a row; giving up" in capfd.readouterr().out


def test_template_without_a_value_is_reported(waits: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert task_states(waits(newer_than="{{ none }}")) == {"wait": "failed"}
    assert "newer_than: expected a date and time in ISO form" in capfd.readouterr().out
