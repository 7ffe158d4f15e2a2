"""Other DAGs react to deliveries and to `.DONE` files in a real Airflow, even if its triggerer is killed."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.airflow.processes import Airflow, airflow_processes
from support.airflow.runs import airflow_database
from support.paths import REPO
from support.sites.sftp_server import SftpServer

from demo.components import components
from demo.guardian import kill

pytestmark = [pytest.mark.xdist_group("airflow"), pytest.mark.timeout(900)]

__all__ = ["airflow_database"]

DAGS = ("first", "second", "tell_the_receiver", "waits_for_done", "reads_answers")

OPTIONS = {
    "AIRFLOW__CORE__PARALLELISM": "2",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "4",
}


@dataclass
class Reacting(Airflow):
    """Airflow with a site."""

    site: SftpServer

    def reported(self) -> list[str]:
        """Return the paths that the watcher has reported, in all successful runs that it started."""
        return sorted(
            path
            for run in self.runs("reads_answers")
            if run["state"] == "success"
            for path in self.api.result("reads_answers", run["dag_run_id"], "read")
        )


@pytest.fixture(scope="module")
def airflow(airflow_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reacting]:
    """Start an Airflow with the DAGs of docs/downstream.md and two orchestrations."""
    folder = tmp_path_factory.mktemp("reacting")
    for name in ("site/answers", "site/inbox"):
        (folder / name).mkdir(parents=True)
    write_dags(folder / "dags")
    write_orchestrations(folder / "persado")
    sqlite3.connect(folder / "warehouse.db").close()
    with SftpServer(folder / "site") as site:
        options = OPTIONS | connections(site, folder / "warehouse.db")
        with airflow_processes(folder, airflow_database, options) as started:
            started.until("the DAGs", lambda: all(started.api.dag(dag_id) for dag_id in DAGS))
            assert not started.api.import_errors()
            yield Reacting(**vars(started), site=site)


def write_dags(folder: Path) -> None:
    """Write the DAGs of docs/downstream.md, with shorter pauses, and link the file of the orchestrations."""
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


def test_dags_react_to_deliveries_and_done_files(airflow: Reacting) -> None:
    """Run all steps in one test, because each needs the one before."""
    answers, inbox = airflow.site.folder / "answers", airflow.site.folder / "inbox"
    for dag_id in ("reads_answers", "second", "tell_the_receiver"):
        airflow.unpause(dag_id)

    # A sensor waits, and a watcher reports a first file.
    run = airflow.start_run("waits_for_done")
    with components(airflow.logs, REPO) as first:
        triggerer = airflow.start_triggerer(first)
        airflow.until("a deferred sensor", lambda: airflow.state("waits_for_done", run, "wait") == "deferred")
        (answers / "a.DONE").touch()
        airflow.ended("reads_answers")
        assert airflow.reported() == ["/answers/a.DONE"]
        airflow.until("the stored state", lambda: stored_names(airflow) == ["a.DONE"])
        # Kill the triggerer; a file arrives while none runs.
        kill({triggerer.process.pid})
    assert airflow.state("waits_for_done", run, "wait") == "deferred"
    (answers / "b.DONE").write_text(json.dumps({"rows": 2}))
    airflow.start_triggerer(airflow.processes)

    # Start the delivery whose .DONE the sensor waits for; its asset triggers another orchestration and a plain DAG.
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
    [triggered] = airflow.ended("tell_the_receiver")
    received = airflow.api.result("tell_the_receiver", triggered["dag_run_id"], "read_receipts")
    assert received == ["/inbox/first.csv.DONE"]
    [event] = airflow.api.asset_events("first", delivery)
    assert event["extra"]["outcome"] == "delivered"

    # The new triggerer reports the file that arrived while none ran, and no file twice.
    airflow.until("the second file", lambda: airflow.reported() == ["/answers/a.DONE", "/answers/b.DONE"])


def stored_names(airflow: Reacting) -> list[str]:
    """Return the file names in the state of the watched asset."""
    [asset] = [asset for asset in airflow.api._get("/api/v2/assets")["assets"] if asset["name"] == "persado_answers"]
    entries = airflow.api._get(f"/api/v2/assets/{asset['id']}/state-store")["asset_state_store"]
    return [name for entry in entries for name in entry["value"]["stamps"]]
