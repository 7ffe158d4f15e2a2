"""
What a newcomer does: a fresh clone, an empty home folder, `make run`.

The clone holds what git would commit of this checkout, creates its own `.venv` and runs a real Airflow, so this takes
minutes. The tests share the clone and can run in any order.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.paths import REPO

from demo.airflow_api import AirflowAPI, run_path
from demo.layout import Layout

pytestmark = [pytest.mark.xdist_group("clone"), pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which the uncommitted changes of this checkout are committed."""
    clone = tmp_path_factory.mktemp("newcomer") / "a clone"
    git("clone", "--quiet", "--no-hardlinks", str(REPO), str(clone), cwd=REPO)
    for name in git("ls-files", "--deleted", cwd=REPO).splitlines():
        (clone / name).unlink(missing_ok=True)
    for name in git("ls-files", "--modified", "--others", "--exclude-standard", cwd=REPO).splitlines():
        if (REPO / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            (clone / name).write_bytes((REPO / name).read_bytes())
            (clone / name).chmod((REPO / name).stat().st_mode)
    git("add", "--all", cwd=clone)
    author = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    git(*author, "commit", "--quiet", "--allow-empty", "--message", "What is not committed yet", cwd=clone)
    return clone


@pytest.fixture
def environment(clone: Path, tmp_path: Path) -> dict[str, str]:
    """A newcomer's environment: an empty home folder, and nothing of this checkout's virtual environment."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "VIRTUAL_ENV", "PYTEST"))
    }
    path = [folder for folder in inherited["PATH"].split(os.pathsep) if not Path(folder).is_relative_to(REPO)]
    (tmp_path / "home").mkdir()
    # `make run` must ignore this, or it would send to another site.
    others = {"AIRFLOW_CONN_PERSADO_DEFAULT": '{"conn_type": "persado", "host": "127.0.0.1", "port": 9}'}
    return {**inherited, "PATH": os.pathsep.join(path), "HOME": str(tmp_path / "home"), **others}


@pytest.fixture(autouse=True)
def nothing_is_left(clone: Path) -> Iterator[None]:
    """Afterwards no process of the clone is running, and git reports no change."""
    yield
    assert processes_of(clone) == []
    assert git("status", "--porcelain", cwd=clone) == ""


def git(*arguments: str, cwd: Path) -> str:
    return subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, check=True).stdout


def make(target: str, clone: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", target], cwd=clone, env=environment, capture_output=True, text=True, check=False)


def processes_of(clone: Path) -> list[str]:
    """Return the command lines of running processes that have the clone in their arguments or environment."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                known = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            except OSError:
                continue
            if str(clone).encode() in known:
                found.append((process / "cmdline").read_text())
    return found


def check_the_site(layout: Layout) -> None:
    """Check that each file got its name complete, by one rename, before its .DONE, and that nothing else is there."""
    names = sorted(path.name for path in layout.site.iterdir())
    assert len(names) == 4
    assert [name + ".DONE" for name in names if not name.endswith(".DONE")] == [
        name for name in names if name.endswith(".DONE")
    ]
    events = [json.loads(line) for line in layout.site_log.read_text().splitlines()]
    written = {event["path"] for event in events if event["operation"] == "open to write"}
    assert not written & {f"/{name}" for name in names}
    appeared = [event["to"] for event in events if event["operation"] == "posix-rename"]
    assert sorted(appeared) == [f"/{name}" for name in names]
    for name in names:
        if not name.endswith(".DONE"):
            assert appeared.index(f"/{name}") < appeared.index(f"/{name}.DONE")


@contextmanager
def api_of(output: str) -> Iterator[AirflowAPI]:
    """Log in with the URL and password in the output of `make up`."""
    url, _user, _admin, _password, password = output.partition("Airflow's UI")[2].split()[:5]
    api = AirflowAPI(url, "admin", password)
    api.log_in()
    yield api
    api.close()


def run_to_success(api: AirflowAPI, dag_id: str, **body: Any) -> str:
    """Trigger a DAG, wait for its success and return the run's id."""
    run_id: str = api.trigger(dag_id, logical_date=datetime.now(UTC).isoformat(), **body)["dag_run_id"]
    while (state := api.run(dag_id, run_id)["state"]) in ("queued", "running"):
        time.sleep(0.2)
    assert state == "success"
    return run_id


def trigger_as_the_ui_does(api: AirflowAPI, dag_id: str) -> None:
    """Trigger a run as the button does; there are no other runs than this and the delivery at the start."""
    run_to_success(api, dag_id)
    runs = api._get(f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"]
    assert {run["run_type"] for run in runs} == {"manual"}
    assert len(runs) == 2
    assert len({run["data_interval_end"] for run in runs}) == 1


def dry_run_as_the_ui_does(api: AirflowAPI, dag_id: str, layout: Layout) -> None:
    """Trigger a dry run as the form does: the log shows the first rows, and nothing is sent."""
    before = layout.site_log.read_text()
    run_id = run_to_success(api, dag_id, conf={"dry_run": True, "count_rows": True, "reason": "a look"})
    states = {task["task_id"]: task["state"] for task in api.tasks(dag_id, run_id)}
    assert states.pop("gate") == "success"
    assert set(states.values()) == {"skipped"}
    assert api.asset_events(dag_id, run_id) == []
    log = json.dumps(api._get(f"{run_path(dag_id, run_id)}/taskInstances/extract/logs/1"))
    for text in (f"Preview of {dag_id}: nothing is sent", "PII, shown as ***", ",***,***,***,", "the query returns "):
        assert text in log
    assert layout.site_log.read_text() == before
    with pytest.raises(RuntimeError, match=r"Airflow answered 4\d\d"):
        api.trigger(dag_id, logical_date=datetime.now(UTC).isoformat(), conf={"dry_run": "please"})


def test_make_run_delivers_in_a_fresh_clone_and_when_repeated(clone: Path, environment: dict[str, str]) -> None:
    for attempt in ("first", "second"):
        done = make("run", clone, environment)
        assert done.returncode == 0, done.stdout + done.stderr
        for orchestration in ("daily_engagement", "weekly_segment"):
            line = next(line for line in done.stdout.splitlines() if f"✓ {orchestration}: " in line)
            decrypted, of_query = (part.split()[0] for part in line.partition(": ")[2].split(", ", 1))
            assert decrypted == of_query
            assert int(decrypted.replace(",", "")) > 1000
        assert "Hashed_Email,birth_dt,gender" in done.stdout
        check_the_site(Layout(clone))
        assert not (Path(environment["HOME"]) / "airflow").exists()
        assert attempt == "first" or "Installing" not in done.stdout


def test_make_run_reports_a_failure_with_the_log_to_read(clone: Path, environment: dict[str, str]) -> None:
    query = clone / "include" / "persado" / "queries" / "weekly_segment.sql"
    right = query.read_text()
    query.write_text(right.replace("FROM segments", "FROM segmints"))
    try:
        done = make("run", clone, environment)
    finally:
        query.write_text(right)
    assert done.returncode != 0
    assert "weekly_segment: extract failed: " in done.stdout
    assert "segmints" in done.stdout
    log = Path(done.stdout.partition("  read ")[2].splitlines()[0])
    assert "segmints" in log.read_text()
    assert not list((clone / ".demo" / "site").glob("*segment*"))


def test_make_up_runs_until_ctrl_c(clone: Path, environment: dict[str, str], tmp_path: Path) -> None:
    del environment["AIRFLOW_CONN_PERSADO_DEFAULT"]
    output = tmp_path / "output"
    with output.open("w") as file:
        up = subprocess.Popen(
            ["make", "up"], cwd=clone, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        while "Ctrl-C stops everything." not in output.read_text():
            assert up.poll() is None, output.read_text()
            time.sleep(0.2)
        assert len(processes_of(clone)) >= 6
        check_the_site(Layout(clone))
        with api_of(output.read_text()) as api:
            trigger_as_the_ui_does(api, "daily_engagement")
            dry_run_as_the_ui_does(api, "weekly_segment", Layout(clone))
    finally:
        # A terminal sends Ctrl-C to all foreground processes at once.
        os.killpg(up.pid, signal.SIGINT)
        up.wait()
    assert "Airflow's UI   http://127.0.0.1:" in output.read_text()
    assert "Stopped. All processes have ended." in output.read_text()
