"""The demo's private Airflow home, recreated at every start: configuration, users, database and connections."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from demo.layout import Layout
from demo.private_file import write_private
from demo.settings_file import Airflow

AUTH_MANAGER = "persado.fab_auth_manager.PersadoFabAuthManager"

USERS = {
    "admin": ("Admin",),
    "op": ("Op",),
    "business": ("Business User",),
    "restricted": ("Business User", "Restricted PII"),
}
"""One user of each kind, and their roles."""

USER = "admin"
"""The user that the demo itself logs in as."""

CONFIGURATION = """\
[core]
dags_folder = {root}/dags
plugins_folder = {root}/plugins
load_examples = False
executor = LocalExecutor
parallelism = 4
fernet_key = {fernet_key}
auth_manager = {auth_manager}
execution_api_server_url = {url}/execution/
test_connection = Enabled
hostname_callable = socket.gethostname
min_serialized_dag_update_interval = 5

[database]
sql_alchemy_conn = sqlite:///{home}/airflow.db

[api]
host = 127.0.0.1
port = {port}
base_url = {url}
secret_key = {secret_key}
instance_name = Persado demo
workers = 1

[api_auth]
jwt_secret = {jwt_secret}

[scheduler]
scheduler_idle_sleep_time = 0.1

[dag_processor]
refresh_interval = 10
min_file_process_interval = 10

[workers]
min_heartbeat_interval = 1

[logging]
base_log_folder = {home}/logs
dag_processor_child_process_log_directory = {home}/logs/dag_processor
uvicorn_logging_level = WARNING
colored_console_log = False

[persado]
config_dir = {config}
"""


@dataclass(frozen=True)
class AirflowHome:
    """
    A private Airflow.

    :param path: its home folder
    :param port: the port of its API server and UI, on 127.0.0.1 only
    :param connections: whether to pass on connections and variables that the environment defines
    :param passwords: user -> password
    """

    path: Path
    port: int
    connections: bool
    passwords: Mapping[str, str] = field(repr=False)

    @property
    def passwords_file(self) -> Path:
        """The passwords as a JSON object, readable by the owner only."""
        return self.path / "passwords.json"

    @property
    def url(self) -> str:
        """The URL of the UI and the API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its processes: this process's, without the variables of another Airflow."""
        passed_on = ("AIRFLOW_CONN_", "AIRFLOW_VAR_") if self.connections else ()
        return clean_environment(*passed_on) | {"AIRFLOW_HOME": str(self.path)}


def make_home(layout: Layout, port: int, config: Path, *, connections: bool) -> AirflowHome:
    """
    Create the home folder with configuration, passwords and an empty database.

    An existing one is deleted, with its runs and logs.

    :param port: a free port for the API server
    :param config: the folder with destinations, data templates, orchestrations, queries and keys
    :param connections: whether to pass on connections and variables that the environment defines
    """
    home = AirflowHome(layout.airflow_home, port, connections, {user: secrets.token_urlsafe(12) for user in USERS})
    shutil.rmtree(home.path, ignore_errors=True)
    home.path.mkdir(mode=0o700)
    values = {
        "root": layout.root,
        "home": home.path,
        "config": config,
        "auth_manager": AUTH_MANAGER,
        "url": home.url,
        "port": port,
        "fernet_key": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "secret_key": secrets.token_urlsafe(32),
        "jwt_secret": secrets.token_urlsafe(64),
    }
    # `%` is special in Airflow's configuration.
    written = CONFIGURATION.format(**{name: str(value).replace("%", "%%") for name, value in values.items()})
    write_private(home.path / "airflow.cfg", written)
    write_private(home.passwords_file, json.dumps(home.passwords, indent=2) + "\n")
    shutil.copy(empty_database(layout), home.path / "airflow.db")
    return home


def load_settings(home: AirflowHome, settings: Airflow) -> None:
    """Write connections and pools into the home's database, through a file readable by the owner only."""
    file = home.path / "airflow_settings.yaml"
    write_private(file, yaml.safe_dump({"airflow": settings.model_dump(exclude_none=True, mode="json")}))
    try:
        call(["-m", "demo.airflow_settings", str(file)], home.environment)
    finally:
        file.unlink()


def make_users(home: AirflowHome) -> None:
    """Create the users in the home's database, with the passwords from the passwords file."""
    call(["-m", "demo.airflow_users", str(home.passwords_file)], home.environment)


def empty_database(layout: Layout) -> Path:
    """Return a database with Airflow's tables and roles only, created once for each version of requirements.lock."""
    version = hashlib.sha256((layout.root / "requirements.lock").read_bytes()).hexdigest()[:16]
    database = layout.cache / f"airflow-with-roles-{version}.db"
    if not database.is_file():
        with tempfile.TemporaryDirectory(dir=layout.cache) as folder:
            environment = {"AIRFLOW_HOME": folder, "AIRFLOW__CORE__AUTH_MANAGER": AUTH_MANAGER}
            call(["-m", "airflow", "db", "migrate"], clean_environment() | environment)
            call(["-m", "airflow", "sync-perm"], clean_environment() | environment)
            (Path(folder) / "airflow.db").replace(database)
    return database


def clean_environment(*prefixes: str) -> dict[str, str]:
    """
    Return this process's environment without Airflow's variables.

    :param prefixes: variables with these prefixes stay
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AIRFLOW_") or name.startswith(prefixes)
    }
    # Airflow starts many short processes; without bytecode files each would compile the project's modules again.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    # setproctitle must leave the environment in /proc readable: the demo's processes are found by AIRFLOW_HOME.
    return {**environment, "SPT_NOENV": "1"}


def free_port(preferred: int = 0) -> int:
    """Return a free port: the preferred one, if it is free."""
    for port in (preferred, 0):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(listener.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def call(arguments: list[str], environment: dict[str, str]) -> None:
    """
    Run a Python module.

    :raises RuntimeError: with its output, if it fails
    """
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{(done.stdout + done.stderr).strip()}")
