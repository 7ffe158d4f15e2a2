"""``python -m persado history``: the ledger's deliveries and failed tries, read outside of a task."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.airflow.runs import Project, airflow_database, project

from persado.cli import main

__all__ = ["airflow_database", "project"]

SETTINGS = {"filename_template": "out.csv"}
NUMBERS = itertools.count()


@pytest.fixture
def sent(project: Project) -> str:
    """Return an orchestration that was delivered, failed, and was delivered again."""
    name = f"sent_{next(NUMBERS)}"
    for query in ("SELECT 1 AS a", "SELECT 1 AS a LIMIT 0", "SELECT 1 AS a UNION ALL SELECT 2"):
        project.describe(name, query, settings=SETTINGS)
        project.run(name)
    return name


def test_deliveries_and_failures_newest_first(sent: str, capsys: pytest.CaptureFixture[str]) -> None:
    from persado.ledger.reader import read_history

    records = read_history(f"persado://{sent}_site/{sent}")
    assert [record.outcome for record in records] == ["delivered", "failed", "delivered"]
    assert [record.outcome for record in read_history(f"persado://{sent}_site/{sent}", 1)] == ["delivered"]
    assert read_history("persado://nowhere/nothing") == []

    capsys.readouterr()
    assert main(["history", sent, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [record["run_id"] for record in printed] == [record.run_id for record in records]
    assert printed[1]["error"] == "RejectedError"

    assert main(["history", sent, "--limit", "2"]) == 0
    head, newest, failed = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["WHEN", "(UTC)", "OUTCOME"]
    assert newest.split()[2:6] == ["delivered", "2", "6", "1"]
    assert "extract: RejectedError: the query returned no rows" in failed

    spoil_the_newest_record()
    assert [record.outcome for record in read_history(f"persado://{sent}_site/{sent}")] == [
        "failed",
        "delivered",
    ]


def spoil_the_newest_record() -> None:
    from airflow.models.asset_state_store import AssetStateStoreModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        records = select(AssetStateStoreModel).where(AssetStateStoreModel.key.like("2%"))
        session.scalars(records.order_by(AssetStateStoreModel.key.desc()).limit(1)).one().value = "{}"


def test_history_of_an_orchestration_without_records(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.describe("never_sent", "SELECT 1", settings=SETTINGS)
    assert main(["history", "never_sent"]) == 0
    assert "nothing has been delivered yet" in capsys.readouterr().out
    assert main(["history", "persado://never_sent_site/other"]) == 0
    assert main(["history", "never_snet"]) == 1
    assert "Did you mean 'never_sent'?" in capsys.readouterr().err


def test_history_of_an_orchestration_whose_files_are_invalid_or_gone(
    project: Project, sent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write(f"orchestrations/{sent}.yaml", "quary: q.sql")
    capsys.readouterr()
    assert main(["history", sent]) == 0
    assert capsys.readouterr().out.count(" delivered ") == 2
    (project.config / f"orchestrations/{sent}.yaml").unlink()
    assert main(["history", sent]) == 0
    assert main(["history", sent.replace("n", "_")]) == 1


@pytest.mark.parametrize(
    ("database", "message"),
    [
        ("sqlite:////nowhere/airflow.db", "Airflow's metadata database cannot be read (OperationalError)."),
        ("postgresql+psycopg2://u:secret@127.0.0.1:1/x", "Airflow's metadata database cannot be read"),
        ("nonsense", "Airflow cannot start here (ValueError): run `airflow db check` to see why."),
    ],
)
def test_history_reports_an_unreadable_database(tmp_path: Path, database: str, message: str) -> None:
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database}
    command = [sys.executable, "-m", "persado", "history", "persado://persado/weekly_segment"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(message)
    assert "secret" not in line


def test_history_refuses_a_limit_below_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["history", "x", "--limit", "0"])
    assert "expected 1 or more" in capsys.readouterr().err


class TestOtherFailures:
    """A try that fails because of Airflow or a bug is recorded too, without the error's text."""

    @pytest.fixture(autouse=True)
    def _described(self, project: Project, request: pytest.FixtureRequest) -> None:
        self.project, self.name = project, request.node.originalname
        project.describe(self.name, "SELECT 1 AS a", settings=SETTINGS)

    def run(self, in_stage: Callable[[], object], **task: Any) -> None:
        """Run the orchestration with `in_stage` as its second stage."""
        from persado.dag.factory import make_dag

        dag = make_dag(self.project.load().deliveries[self.name])
        stage: Any = dag.get_task("format")
        stage.run_stage = lambda *_: in_stage()
        for name, value in task.items():
            setattr(stage, name, value)
        dag.test()

    def newest(self) -> Any:
        from persado.ledger.reader import read_history

        return read_history(f"persado://{self.name}_site/{self.name}", 1)[0]

    def test_unexpected_error_is_recorded(self) -> None:
        self.run(partial(int, "jane.doe@example.com"))
        newest = self.newest()
        assert (newest.stage, newest.error) == ("format", "ValueError")
        assert newest.message == "an unexpected error; see the task's log"

    def test_execution_timeout_is_recorded(self) -> None:
        self.run(partial(time.sleep, 20), execution_timeout=timedelta(seconds=0.2))
        assert "execution_timeout" in self.newest().message

    def test_killed_try_is_listed_before_and_after_the_next_try(self) -> None:
        from persado.ledger.reader import read_history

        uri = f"persado://{self.name}_site/{self.name}"
        self.project.write(
            "../mine.py", "import os, signal\ndef die(rows):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        self.project.describe(self.name, "SELECT 1 AS a", settings=SETTINGS, template={"transform": "mine:die"})
        command = [sys.executable, "-m", "airflow", "dags", "test", self.name]
        assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
        assert read_history(uri) == []  # to Airflow the task still runs
        fail_tasks_as_the_scheduler_does(self.name)
        [first_shown] = read_history(uri)

        self.project.describe(self.name, "SELECT 1 AS a", settings=SETTINGS)
        self.project.run(self.name)
        delivered, killed = read_history(uri)
        assert (delivered.outcome, killed.outcome) == ("delivered", "failed")
        assert killed == first_shown
        assert (killed.stage, killed.error) == ("extract", "Killed")  # type: ignore[union-attr]
        self.project.run(self.name)
        assert [record.outcome for record in read_history(uri)] == ["delivered", "delivered", "failed"]


def fail_tasks_as_the_scheduler_does(dag_id: str) -> None:
    """Fail the tasks, as the scheduler does when their heartbeat is missing."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        session.execute(update(TaskInstance).where(TaskInstance.dag_id == dag_id).values(state="failed"))
