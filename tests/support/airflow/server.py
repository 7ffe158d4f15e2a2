"""A real Airflow with users, as the demo starts it, for a project that a test describes."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from demo.airflow_api import AirflowAPI, http_client
from demo.airflow_home import USER, AirflowHome, free_port, make_home
from demo.components import Components, components
from demo.layout import HERE, Layout
from demo.parts import Parts
from demo.settings_file import Airflow
from demo.start import start_airflow

PATIENCE = 300.0


@dataclass(frozen=True)
class AirflowServer:
    """
    A running Airflow.

    :param admin: the API client of the administrator
    """

    home: AirflowHome
    processes: Components
    admin: AirflowAPI

    def client(self, user: str, password: str | None = None) -> httpx.Client:
        """Return a client of a user who is logged in; `anonymous` is not."""
        client = http_client(self.home.url)
        if user != "anonymous":
            known = password or self.home.passwords[user]
            answer = client.post("/auth/token", json={"username": user, "password": known})
            client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
        return client

    def wait_until(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait until a condition is true; fail if a process of Airflow ends."""
        self.processes.wait_for(what, condition, PATIENCE)

    def ended(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Wait until a run ends; return its state and those of its tasks."""
        states: dict[str, str] = {}

        def over() -> bool:
            states["run"] = self.admin.run(dag_id, run_id)["state"]
            time.sleep(0.2)
            return states["run"] in ("success", "failed")

        self.wait_until(f"the end of {dag_id}, {run_id}", over)
        tasks = self.admin.tasks(dag_id, run_id)
        return states | {task["task_id"]: task["state"] for task in tasks}


@contextmanager
def airflow_server(
    folder: Path, config: Path, connections: list[dict[str, Any]], dag_files: Mapping[str, str]
) -> Iterator[AirflowServer]:
    """
    Run an Airflow for the length of the block.

    :param folder: where it stores all its files
    :param config: the folder of destinations, data templates and orchestrations
    :param connections: as in `airflow_settings.yaml`
    :param dag_files: name and text of additional DAG files
    """
    layout = Layout(folder / "project")
    (layout.root / "dags").mkdir(parents=True)
    for name in ("demo", "plugins", "requirements.lock"):
        (layout.root / name).symlink_to(HERE.root / name)
    for file in ("persado_orchestrations.py", "persado_config_errors.py"):
        shutil.copy(HERE.root / "dags" / file, layout.root / "dags")
    for name, text in dag_files.items():
        (layout.root / "dags" / name).write_text(text)
    layout.make_folders()
    if HERE.cache.is_dir():  # it takes half a minute to create an empty database
        shutil.copytree(HERE.cache, layout.cache, dirs_exist_ok=True)
    settings = Airflow.model_validate({"connections": connections})
    with components(layout.logs, layout.root) as processes:
        home = make_home(layout, free_port(), config, connections=False)
        api = AirflowAPI(home.url, USER, home.passwords[USER])
        parts = Parts(settings=settings, config=config, all_ours=True)
        start_airflow(processes, home, api, parts, Console(file=io.StringIO()), with_triggerer=False)
        try:
            yield AirflowServer(home, processes, api)
        finally:
            api.close()
