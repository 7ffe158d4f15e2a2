"""A real Airflow whose worker or scheduler is killed during an upload: the delivery completes, exactly once."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.airflow.processes import Airflow, airflow_processes
from support.airflow.runs import airflow_database
from support.paths import REPO
from support.sites.proxy import GOOD, Line, Proxy, always
from support.sites.sftp_server import SftpServer
from support.watcher import STALE, Watcher

from demo.components import components
from demo.guardian import members

__all__ = ["airflow_database"]

pytestmark = [pytest.mark.xdist_group("clone"), pytest.mark.timeout(900)]

OPTIONS = {
    "AIRFLOW__CORE__PARALLELISM": "2",
    "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "1",
}
ROWS = [(f"{number:06d}", random.Random(number).randbytes(500).hex()) for number in range(2500)]
FILE = "".join(f"{a},{b}\n" for a, b in [("id", "word"), *ROWS]).encode()
STUCK = Line(up=1_000_000, end="stall")
"""Stalls an upload midway until its worker ends, or until a time-out that is longer than the test."""


@dataclass
class Faulty(Airflow):
    """Airflow with a faulty connection to its site."""

    folder: Path
    proxy: Proxy

    @contextmanager
    def uploading(self, dag_id: str) -> Iterator[None]:
        """
        Start a delivery and yield when its upload is stalled; then check that it arrives, exactly once.

        Later connections work. A receiver watches the folder all the time.
        """
        inbox = self.folder / dag_id
        inbox.mkdir()
        for name, content in ((f"{dag_id}.csv", b"old"), (f"{dag_id}.csv.DONE", STALE)):
            (inbox / name).write_bytes(content)
        with Watcher(inbox, {f"{dag_id}.csv": FILE}, f"{dag_id}.csv.DONE", {f"{dag_id}.csv": b"old"}):
            self.proxy.lines = always(STUCK)
            before = len(self.proxy.connections)
            run = self.start_run(dag_id)
            self.until("the upload", lambda: any(passed.broken for passed in self.proxy.connections[before:]))
            self.proxy.lines = always(GOOD)
            yield
            self.ended(dag_id)
        assert sorted(path.name for path in inbox.iterdir()) == [f"{dag_id}.csv", f"{dag_id}.csv.DONE"]
        assert (inbox / f"{dag_id}.csv").read_bytes() == FILE
        [event] = self.api.asset_events(dag_id, run)
        assert event["extra"]["outcome"] == "delivered"
        tries = {task["task_id"]: task["try_number"] for task in self.api.tasks(dag_id, run)}
        assert tries["upload"] >= 2


@pytest.fixture(scope="module")
def airflow(airflow_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """Start an Airflow without a scheduler, with two orchestrations."""
    folder = tmp_path_factory.mktemp("faults")
    for name in ("site", "dags"):
        (folder / name).mkdir()
    (folder / "dags" / "persado_orchestrations.py").symlink_to(REPO / "dags" / "persado_orchestrations.py")
    write_orchestrations(folder / "persado")
    with closing(sqlite3.connect(folder / "warehouse.db")) as warehouse, warehouse:
        warehouse.execute("CREATE TABLE customers (id TEXT, word TEXT)")
        warehouse.executemany("INSERT INTO customers VALUES (?, ?)", ROWS)
    with SftpServer(folder / "site") as site, Proxy(site.port) as proxy:
        options = OPTIONS | connections(site, proxy, folder / "warehouse.db")
        with airflow_processes(folder, airflow_database, options, scheduler=False) as started:
            started.until("the DAGs", lambda: all(started.api.dag(name) for name in ("worker", "scheduler")))
            yield Faulty(**vars(started), folder=folder / "site", proxy=proxy)


def write_orchestrations(config: Path) -> None:
    files: dict[str, Any] = {
        "destinations/site": {"connection": "persado_default"},
    }
    for name in ("worker", "scheduler"):
        files[f"data_templates/{name}"] = {"destination": "site", "settings": {"remote_folder": f"/{name}"}}
        files[f"orchestrations/{name}"] = {
            "query": "q.sql",
            "source": "warehouse",
            "data_template": name,
            "workflow": "manual",
            "settings": {"filename_template": f"{name}.csv"},
        }
    for path, content in files.items():
        (config / path).parent.mkdir(parents=True, exist_ok=True)
        (config / f"{path}.yaml").write_text(yaml.safe_dump(content))
    (config / "queries").mkdir()
    (config / "queries" / "q.sql").write_text("SELECT id, word FROM customers ORDER BY id")


def connections(site: SftpServer, proxy: Proxy, warehouse: Path) -> dict[str, str]:
    there = site.site(port=proxy.port)
    persado = {
        "conn_type": "persado",
        "host": there.host,
        "port": there.port,
        "login": there.login,
        "password": there.password,
        "extra": {"host_key": site.host_key},
    }
    return {
        "AIRFLOW_CONN_PERSADO_DEFAULT": json.dumps(persado),
        "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "sqlite", "host": str(warehouse)}),
    }


def test_a_worker_and_a_scheduler_killed_in_the_middle_of_an_upload(airflow: Faulty) -> None:
    """A single test, because the second part kills the scheduler of the first."""
    with components(airflow.logs, REPO) as first:
        scheduler = airflow.start_scheduler(first)
        with airflow.uploading("worker"):
            kill_worker(scheduler.process.pid)
        with airflow.uploading("scheduler"):
            # Its workers do not notice: the upload continues while a new scheduler starts the next try.
            os.kill(scheduler.process.pid, signal.SIGKILL)
            scheduler.process.wait()
            airflow.start_scheduler(airflow.processes)


def kill_worker(session: int) -> None:
    """Kill the process that supervises the task, and the task."""
    processes = {pid: Path(f"/proc/{pid}") for pid in members({session})}
    busy = {pid for pid, path in processes.items() if is_busy_worker((path / "cmdline").read_text())}
    assert busy
    tasks = {
        pid
        for pid, path in processes.items()
        if int(path.joinpath("stat").read_text().split(") ")[1].split()[1]) in busy
    }
    assert tasks
    for pid in (*busy, *tasks):
        os.kill(pid, signal.SIGKILL)


def is_busy_worker(title: str) -> bool:
    return "LocalExecutor" in title and "<idle>" not in title
