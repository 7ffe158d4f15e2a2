"""A real Airflow for tests: API server, DAG processor and scheduler, each in its own process."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from support.paths import REPO

from demo.airflow_api import AirflowAPI
from demo.airflow_home import CONFIGURATION, USER, AirflowHome, free_port
from demo.components import Component, Components, components

PATIENCE = 300.0


@dataclass
class Airflow:
    """The running processes, and the calls that tests make."""

    api: AirflowAPI
    logs: Path
    processes: Components
    environment: dict[str, str]

    def start(self, processes: Components, *command: str) -> Component:
        return processes.start(command[0], [sys.executable, "-m", "airflow", *command], self.environment)

    def start_scheduler(self, processes: Components) -> Component:
        return self.start(processes, "scheduler", "--skip-serve-logs")

    def start_triggerer(self, processes: Components) -> Component:
        return self.start(processes, "triggerer", "--skip-serve-logs")

    def start_run(self, dag_id: str) -> str:
        return str(self.api.trigger(dag_id, logical_date=None)["dag_run_id"])

    def unpause(self, dag_id: str) -> None:
        self.api._read(self.api._client.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": False}))

    def runs(self, dag_id: str) -> list[Mapping[str, Any]]:
        return list(self.api._get(f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"])

    def until(self, what: str, condition: Callable[[], Any]) -> Any:
        """Wait until a condition returns something true, and return that."""
        deadline = time.monotonic() + PATIENCE
        while not (result := condition()):
            self.processes.check()
            assert time.monotonic() < deadline, what
            time.sleep(0.2)
        return result

    def ended(self, dag_id: str, count: int = 1) -> list[Mapping[str, Any]]:
        """Wait until a DAG has at least ``count`` successful runs; return all its runs."""

        def all_ended() -> list[Mapping[str, Any]]:
            runs = self.runs(dag_id)
            assert not [run for run in runs if run["state"] == "failed"], dag_id
            return runs if len([run for run in runs if run["state"] == "success"]) >= count else []

        return list(self.until(f"{count} run(s) of {dag_id}", all_ended))

    def state(self, dag_id: str, run_id: str, task_id: str) -> str:
        tasks = {task["task_id"]: task["state"] for task in self.api.tasks(dag_id, run_id)}
        return str(tasks.get(task_id))


@contextmanager
def airflow_processes(
    folder: Path, database: Path, options: Mapping[str, str], *, scheduler: bool = True
) -> Iterator[Airflow]:
    """
    Run Airflow for the length of the block.

    :param folder: contains ``dags`` and ``persado`` (the configuration); Airflow writes all its files here
    :param database: an empty Airflow database, which is copied
    :param options: environment variables on top of those of the demo's Airflow
    :param scheduler: whether to start a scheduler
    """
    for name in ("home", "logs"):
        (folder / name).mkdir()
    (folder / "plugins").symlink_to(REPO / "plugins")
    home = AirflowHome(folder / "home", free_port(), connections=False, passwords={USER: secrets.token_urlsafe(12)})
    _configure(home, folder, database)
    users = {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home.passwords_file),
    }
    with components(folder / "logs", REPO) as processes, closing(_api(home)) as api:
        airflow = Airflow(api, folder / "logs", processes, {**home.environment, **users, **options})
        airflow.start(processes, "api-server")
        airflow.start(processes, "dag-processor")
        if scheduler:
            airflow.start_scheduler(processes)
        airflow.until("Airflow's API", api.is_healthy)
        api.warm_up()
        api.log_in()
        yield airflow


def _api(home: AirflowHome) -> AirflowAPI:
    return AirflowAPI(home.url, USER, home.passwords[USER])


def _configure(home: AirflowHome, folder: Path, database: Path) -> None:
    """Write the configuration of the demo's Airflow, but with Airflow's simple auth manager."""
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
    shutil.copy(database, home.path / "airflow.db")
