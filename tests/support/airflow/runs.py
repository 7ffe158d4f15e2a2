"""Real DAG runs in the test process, for orchestrations that a test describes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.sites.sftp_server import SftpServer

from persado.settings import Configuration, load


@pytest.fixture(scope="session")
def airflow_database() -> Path:
    """
    Create the database of the tests' Airflow once, and return a copy with empty tables.

    Nothing in this process may open the file directly: when it closes the file, POSIX releases the locks that SQLite
    holds on it, and the next process that closes the database would remove its log under Airflow's open connections.
    """
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
    home = Path(os.environ["AIRFLOW_HOME"])
    subprocess.run(["cp", home / "airflow.db", home / "empty.db"], check=True)
    return home / "empty.db"


def database_dump() -> str:
    """Return the contents of the tests' Airflow database as SQL."""
    with closing(sqlite3.connect(Path(os.environ["AIRFLOW_HOME"]) / "airflow.db")) as database:
        return "\n".join(database.iterdump())


@pytest.fixture(scope="session")
def pgp_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Create the receiver's key pair in a separate GnuPG home."""
    home = tmp_path_factory.mktemp("gpg", numbered=True)
    home.chmod(0o700)
    gpg(home, "--quick-generate-key", "Receiver <receiver@example.com>", "future-default", "default", "1y")
    yield home
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


def gpg(home: Path, *arguments: str | Path, data: bytes | None = None) -> bytes:
    """Run gpg with the given home and an empty pass phrase."""
    command: list[str | Path] = [
        "gpg",
        "--homedir",
        home,
        "--batch",
        "--quiet",
        "--pinentry-mode",
        "loopback",
        "--passphrase",
        "",
    ]
    return subprocess.run([*command, *arguments], input=data, capture_output=True, check=True).stdout


class Project:
    """
    A configuration folder, a SQLite warehouse and a site, ready to run.

    :param folder: the folder of the configuration, the warehouse and the stage
    :param monkeypatch: sets the environment that Airflow reads
    """

    def __init__(self, folder: Path, site: SftpServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config = folder / "include" / "persado"
        self.site = site
        self.inbox = site.folder / "inbox"
        self.inbox.mkdir()
        self._env = monkeypatch
        self.warehouse = sqlite3.connect(folder / "warehouse.db")
        monkeypatch.setenv("AIRFLOW__PERSADO__CONFIG_DIR", str(self.config))
        monkeypatch.setenv("AIRFLOW__PERSADO__STAGE_URI", f"file://{folder}/stage")
        self.stage = folder / "stage"
        monkeypatch.setenv(
            "AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(folder / "warehouse.db")})
        )
        self.connect()

    def connect(self, conn_type: str = "persado", **fields: Any) -> None:
        """Set the site's connection; ``fields`` replace the correct values."""
        site = self.site.site()
        extra = {"host_key": site.host_key, "connect_timeout": 3, "channel_timeout": 5, **fields.pop("extra", {})}
        right = {"host": site.host, "port": site.port, "login": site.login, "password": site.password}
        self._env.setenv("AIRFLOW_CONN_SITE", json.dumps({"conn_type": conn_type, **right, **fields, "extra": extra}))

    def describe(
        self,
        name: str,
        query: str,
        *,
        settings: dict[str, Any],
        template: dict[str, Any] | None = None,
        **orchestration: Any,
    ) -> None:
        """Write the YAML files and the query of an orchestration."""
        files = {
            f"destinations/{name}_site": {"connection": "site", "settings": {"remote_folder": "/inbox", **settings}},
            f"data_templates/{name}_template": {"destination": f"{name}_site", **(template or {})},
            f"orchestrations/{name}": {
                "query": f"{name}.sql",
                "source": "warehouse",
                "data_template": f"{name}_template",
                **orchestration,
            },
        }
        for path, content in files.items():
            self.write(f"{path}.yaml", yaml.safe_dump(content))
        self.write(f"queries/{name}.sql", query)

    def write(self, path: str, text: str) -> None:
        """Write a configuration file."""
        (self.config / path).parent.mkdir(parents=True, exist_ok=True)
        (self.config / path).write_text(text)

    def load(self) -> Configuration:
        return load(self.config)

    def run(self, name: str, **arguments: Any) -> Any:
        """Run an orchestration as `airflow dags test` does; return the DAG run."""
        from persado.dag.factory import make_dag

        configuration = self.load()
        assert not configuration.errors
        return make_dag(configuration.deliveries[name]).test(**arguments)

    def clear(self, name: str, run: Any, *task_ids: str) -> dict[str, str]:
        """Clear tasks of a finished run and run them in order until one does not succeed; return their states."""
        from airflow.models.taskinstance import clear_task_instances
        from airflow.sdk.definitions.dag import _run_task
        from airflow.utils.session import create_session

        from persado.dag.factory import make_dag

        dag = make_dag(self.load().deliveries[name])
        ended: dict[str, str] = {}
        for task_id in task_ids:
            with create_session() as session:
                clear_task_instances([run.get_task_instance(task_id, session=session)], session)
            with create_session() as session:
                task = run.get_task_instance(task_id, session=session)
                task.try_number += 1
            _run_task(ti=task, task=dag.task_dict[task_id], run_triggerer=True)
            ended[task_id] = str(run.get_task_instance(task_id).state)
            if ended[task_id] != "success":
                break
        return ended

    def arrived(self) -> dict[str, bytes]:
        """Return the files in the site's inbox."""
        files = (path for path in self.inbox.rglob("*") if path.is_file())
        return {path.relative_to(self.inbox).as_posix(): path.read_bytes() for path in sorted(files)}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, airflow_database: None) -> Iterator[Project]:
    """Yield a project with a running site."""
    folder = tmp_path / "site"
    folder.mkdir()
    with SftpServer(folder) as site:
        made = Project(tmp_path, site, monkeypatch)
        yield made
        made.warehouse.close()


def task_states(run: Any) -> dict[str, str]:
    """Return the state of each task of a run, in the order in which the tasks began."""
    tasks = sorted(run.get_task_instances(), key=lambda task: str(task.start_date))
    return {task.task_id: str(task.state) for task in tasks}


def event_extra(name: str) -> dict[str, Any]:
    """Return the extra of the newest event of a delivery's asset; empty without an event."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        uri = f"persado://{name}_site/{name}"
        query = (
            select(AssetEvent.extra).join(AssetModel, AssetModel.id == AssetEvent.asset_id).where(AssetModel.uri == uri)
        )
        found = list(session.scalars(query.order_by(AssetEvent.timestamp)))
    return found[-1] if found else {}


def run_dag(dag: Any, **arguments: Any) -> Any:
    """Run a DAG that is in no file, as `airflow dags test` runs one from a file; return the DAG run."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]  # has no types
    bag = DagBag(dag_folder=os.devnull)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    return dag.test(**arguments)
