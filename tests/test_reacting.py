"""Other DAGs react to deliveries and to `.DONE` files in a real Airflow, also when its triggerer is killed."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from support.airflow_runs import airflow_database
from support.sftp_server import SftpServer

from demo.airflow_api import AirflowAPI
from demo.airflow_home import CONFIGURATION, USER, AirflowHome, free_port
from demo.components import Component, Components, components
from demo.guardian import kill

__all__ = ["airflow_database"]

REPO = Path(__file__).parents[1]
PATIENCE = 120.0
DAGS = ("first", "second", "tell_the_receiver", "waits_for_done", "reads_answers")

OPTIONS = {
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
    "AIRFLOW__CORE__PARALLELISM": "2",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "4",
}


@dataclass
class Airflow:
    """A scheduler, a DAG processor, an API server and a triggerer, with a site."""

    site: SftpServer
    api: AirflowAPI
    logs: Path
    processes: Components
    environment: dict[str, str]

    def start(self, processes: Components, *command: str) -> Component:
        return processes.start(command[0], [sys.executable, "-m", "airflow", *command], self.environment)

    def start_triggerer(self, processes: Components) -> Component:
        return self.start(processes, "triggerer", "--skip-serve-logs")

    def start_run(self, dag_id: str) -> str:
        return str(self.api.trigger(dag_id, logical_date=None)["dag_run_id"])

    def unpause(self, dag_id: str) -> None:
        self.api._read(self.api._client.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": False}))

    def runs(self, dag_id: str) -> list[Mapping[str, Any]]:
        return list(self.api._get(f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"])

    def until(self, what: str, true: Callable[[], Any]) -> Any:
        """Wait until something is true; give what it gives."""
        deadline = time.monotonic() + PATIENCE
        while not (given := true()):
            self.processes.check()
            assert time.monotonic() < deadline, what
            time.sleep(0.2)
        return given

    def ended(self, dag_id: str, count: int = 1) -> list[Mapping[str, Any]]:
        """Wait until a DAG has so many runs and all have ended well; give them."""

        def all_ended() -> list[Mapping[str, Any]]:
            runs = self.runs(dag_id)
            assert not [run for run in runs if run["state"] == "failed"], dag_id
            return runs if len([run for run in runs if run["state"] == "success"]) >= count else []

        return list(self.until(f"{count} run(s) of {dag_id}", all_ended))

    def state(self, dag_id: str, run_id: str, task_id: str) -> str:
        tasks = {task["task_id"]: task["state"] for task in self.api.tasks(dag_id, run_id)}
        return str(tasks.get(task_id))

    def told(self) -> list[str]:
        """Give the paths that the watcher has told, in all runs that it has started."""
        return sorted(
            path
            for run in self.runs("reads_answers")
            if run["state"] == "success"
            for path in self.api.result("reads_answers", run["dag_run_id"], "read")
        )


@pytest.fixture(scope="module")
def airflow(airflow_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Start an Airflow with the DAGs that docs/downstream.md shows, and with two orchestrations."""
    folder = tmp_path_factory.mktemp("reacting")
    for name in ("home", "logs", "site/answers", "site/inbox"):
        (folder / name).mkdir(parents=True)
    (folder / "plugins").symlink_to(REPO / "plugins")
    write_dags(folder / "dags")
    write_orchestrations(folder / "persado")
    sqlite3.connect(folder / "warehouse.db").close()
    home = AirflowHome(folder / "home", free_port(), connections=False, passwords={USER: secrets.token_urlsafe(12)})
    configure(home, folder, airflow_database)
    with SftpServer(folder / "site") as site, components(folder / "logs", REPO) as processes:
        environment = home.environment | OPTIONS | connections(site, folder / "warehouse.db")
        api = AirflowAPI(home.url, USER, home.passwords[USER])
        started = Airflow(site, api, folder / "logs", processes, environment)
        for name, *more in (("api-server",), ("dag-processor",), ("scheduler", "--skip-serve-logs")):
            started.start(processes, name, *more)
        started.until("Airflow's API", api.is_healthy)
        api.warm_up()
        api.log_in()
        started.until("the DAGs", lambda: all(api.dag(dag_id) for dag_id in DAGS))
        assert not api.import_errors()
        yield started
        api.close()


def configure(home: AirflowHome, folder: Path, database: Path) -> None:
    """Write what the demo's Airflow has too, but for the users, which are Airflow's own simple ones."""
    values = {
        "root": folder,
        "home": home.path,
        "config": folder / "persado",
        "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "url": home.url,
        "port": home.port,
        "fernet_key": Fernet.generate_key().decode(),
        "secret_key": secrets.token_urlsafe(32),
        "jwt_secret": secrets.token_urlsafe(64),
    }
    (home.path / "airflow.cfg").write_text(CONFIGURATION.format(**values))
    home.passwords_file.write_text(json.dumps(home.passwords))
    OPTIONS["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"] = str(home.passwords_file)
    shutil.copy(database, home.path / "airflow.db")


def write_dags(folder: Path) -> None:
    """Write the DAGs of the page into files, with shorter pauses, and those of the orchestrations."""
    folder.mkdir()
    page = (REPO / "docs" / "downstream.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    for number, block in enumerate(blocks):
        text = block.replace("poke_interval=60", "poke_interval=0.5")
        text = text.replace("persado/weekly_segment", "site/first").replace("/segment_*", "/inbox/*")
        (folder / f"block_{number}.py").write_text(text)
    (folder / "persado_orchestrations.py").symlink_to(REPO / "dags" / "persado_orchestrations.py")


def write_orchestrations(config: Path) -> None:
    files: dict[str, Any] = {
        "destinations/site": {"connection": "persado_default", "settings": {"remote_folder": "/inbox"}},
        "data_templates/plain": {"destination": "site"},
    }
    for name, workflow in (("first", "manual"), ("second", {"when_changed": ["persado://site/first"]})):
        files[f"orchestrations/{name}"] = {
            "query": "q.sql",
            "source": "warehouse",
            "data_template": "plain",
            "workflow": workflow,
            "settings": {"filename_template": f"{name}.csv"},
        }
    for path, content in files.items():
        (config / path).parent.mkdir(parents=True, exist_ok=True)
        (config / f"{path}.yaml").write_text(yaml.safe_dump(content))
    (config / "queries").mkdir()
    (config / "queries" / "q.sql").write_text("SELECT 1 AS a")


def connections(site: SftpServer, warehouse: Path) -> dict[str, str]:
    there = site.site()
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


def test_reacting(airflow: Airflow) -> None:
    """All in one, as each part needs the one before."""
    answers, inbox = airflow.site.folder / "answers", airflow.site.folder / "inbox"
    for dag_id in ("reads_answers", "second", "tell_the_receiver"):
        airflow.unpause(dag_id)

    # A sensor waits, and a watcher tells of a first file.
    run = airflow.start_run("waits_for_done")
    with components(airflow.logs, REPO) as first:
        triggerer = airflow.start_triggerer(first)
        airflow.until("a deferred sensor", lambda: airflow.state("waits_for_done", run, "wait") == "deferred")
        (answers / "a.DONE").touch()
        airflow.ended("reads_answers")
        assert airflow.told() == ["/answers/a.DONE"]
        airflow.until("what was told is kept", lambda: kept(airflow) == ["a.DONE"])
        # The triggerer is killed; files come meanwhile.
        kill({triggerer.process.pid})
    assert airflow.state("waits_for_done", run, "wait") == "deferred"
    (answers / "b.DONE").write_text(json.dumps({"rows": 2}))
    airflow.start_triggerer(airflow.processes)

    # A delivery, whose .DONE the sensor waits for; its asset starts another orchestration and a plain DAG.
    delivery = airflow.start_run("first")
    airflow.ended("first")
    airflow.ended("waits_for_done")
    found = airflow.api.result("waits_for_done", run, "wait")
    assert {key: found[key] for key in ("path", "size", "manifest")} == {
        "path": "/inbox/first.csv.DONE",
        "size": 0,
        "manifest": None,
    }
    airflow.ended("second")
    assert (inbox / "second.csv.DONE").is_file()
    [told] = airflow.ended("tell_the_receiver")
    received = airflow.api.result("tell_the_receiver", told["dag_run_id"], "read_receipts")
    assert received == ["/inbox/first.csv.DONE"]
    [event] = airflow.api.asset_events("first", delivery)
    assert event["extra"]["outcome"] == "delivered"

    # The new triggerer tells what came while there was none, and nothing again.
    airflow.until("the second file", lambda: airflow.told() == ["/answers/a.DONE", "/answers/b.DONE"])


def kept(airflow: Airflow) -> list[str]:
    """Give the files that the watched asset's state knows."""
    [asset] = [asset for asset in airflow.api._get("/api/v2/assets")["assets"] if asset["name"] == "persado_answers"]
    entries = airflow.api._get(f"/api/v2/assets/{asset['id']}/state-store")["asset_state_store"]
    return [name for entry in entries for name in entry["value"]["stamps"]]
