"""An Airflow with users of each kind, orchestrations that some of them may send, and runs."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import yaml
from support.airflow.server import AirflowServer
from support.sites.sftp_server import SftpServer

SECRET = "ann@example.com"

UNGATED = """\
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

with DAG("ungated", tags=["pii"], schedule=None):
    EmptyOperator(task_id="send")
"""

BOTH = {"business_users": True, "limited_pii": True}
BUSINESS = {"business_users": True}
MARKED = [{"name": "mail", "pii": True}, {"name": "loyalty"}]
UNMARKED = [{"name": "loyalty"}]

CONFIG: dict[str, dict[str, Any]] = {
    "destinations/site": {
        "connection": "site",
        "access": BOTH,
        "settings": {"remote_folder": "/", "success_file": False, "filename_template": "{{orchestration}}.csv"},
    },
    "data_templates/pii": {"destination": "site", "columns": MARKED, "access": BUSINESS},
    "data_templates/wide": {"destination": "site", "columns": MARKED, "access": BOTH},
    "data_templates/plain": {"destination": "site", "columns": UNMARKED, "access": BUSINESS},
    "data_templates/closed": {"destination": "site", "columns": UNMARKED},
    "data_templates/changing": {"destination": "site", "columns": UNMARKED},
    "orchestrations/pii": {"data_template": "pii"},
    "orchestrations/wide": {"data_template": "wide"},
    "orchestrations/plain": {"data_template": "plain"},
    "orchestrations/closed": {"data_template": "closed"},
    "orchestrations/nightly": {"data_template": "pii", "workflow": {"schedule": "0 3 * * *"}},
    "orchestrations/after_plain": {"data_template": "pii", "workflow": {"when_changed": ["persado://site/plain"]}},
    "orchestrations/closed_after": {"data_template": "closed", "workflow": {"when_changed": ["persado://site/plain"]}},
    "orchestrations/changing": {"data_template": "changing"},
    "orchestrations/asking": {"data_template": "plain", "params": {"loyalty": {"type": "string", "default": "gold"}}},
    "orchestrations/listing": {
        "data_template": "plain",
        "query": "some_people.sql",
        "params": {"levels": {"type": "array", "default": ["gold"]}},
    },
}

QUERIES = {
    "people": f"SELECT mail, loyalty FROM people WHERE mail = '{SECRET}'",
    "some_people": "SELECT loyalty FROM people WHERE loyalty IN ('{{ params.levels | join(\"','\") }}')",
}

RUN = {"logical_date": None}

MORE_USERS = {"plain": ["User"], "boss": ["Admin", "Restricted PII"]}
"""Users in addition to those of the demo, and their roles."""


def new_user(name: str, *roles: str) -> dict[str, Any]:
    return {
        "username": name,
        "first_name": name,
        "last_name": name,
        "email": f"{name}@example.com",
        "password": f"{name}'s password",
        "roles": [{"name": role} for role in roles],
    }


class World:
    """A running Airflow, and what the access tests need to know about it."""

    def __init__(self, server: AirflowServer, site: SftpServer, config: Path, routes: list[tuple[str, str]]) -> None:
        self.server = server
        self.site = site
        self.routes = [(method, path) for method, path in routes if method != "GET"]
        self.reading = [path for method, path in routes if method == "GET"]
        self.clients: dict[str, httpx.Client] = {}
        self.admin = self.client("admin")
        self.config = config

    def client(self, user: str) -> httpx.Client:
        """Return the client of a user, who is logged in once."""
        if user not in self.clients:
            password = f"{user}'s password" if user in MORE_USERS else None
            self.clients[user] = self.server.client(user, password)
        return self.clients[user]

    def ask(self, user: str, method: str, path: str, **what: Any) -> httpx.Response:
        """Send a request; repeat it after status 500, because SQLite may be busy."""
        answer = self.client(user).request(method, path, **what)
        for _ in range(5):
            if answer.status_code != 500:
                break
            time.sleep(1)
            answer = self.client(user).request(method, path, **what)
        return answer

    def describe(self, name: str, content: dict[str, Any]) -> None:
        """Write a configuration file; replace it atomically, because Airflow may read it at any time."""
        new = self.config.parent / "new.yaml"
        new.write_text(yaml.safe_dump(content))
        new.replace(self.config / f"{name}.yaml")

    def get(self, path: str, **query: Any) -> Any:
        """Fetch something as the administrator."""
        return self.admin.get(path, params=query).raise_for_status().json()

    def run_of(self, dag_id: str) -> str:
        """Return the id of a DAG's first run, or `manual__none` without a run."""
        runs = self.get(f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"]
        return str(runs[0]["dag_run_id"]) if runs else "manual__none"

    def has_run(self, dag_id: str) -> bool:
        """Return whether a DAG has a run."""
        return bool(self.get(f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"])

    def asset(self, uri: str) -> int:
        """Return the id of an asset."""
        return int(self.get("/api/v2/assets", uri_pattern=uri)["assets"][0]["id"])

    def state(self) -> dict[str, Any]:
        """Return everything that a route might change."""
        runs = self.get("/api/v2/dags/~/dagRuns", limit=100)["dag_runs"]
        tasks = self.get("/api/v2/dags/~/dagRuns/~/taskInstances", limit=500)["task_instances"]
        return {
            "runs": sorted((run["dag_id"], run["dag_run_id"], run["state"], run["note"]) for run in runs),
            "tasks": sorted((task["dag_id"], task["id"], task["state"], task["try_number"]) for task in tasks),
            "paused": sorted((dag["dag_id"], dag["is_paused"]) for dag in self.get("/api/v2/dags")["dags"]),
            "events": self.get("/api/v2/assets/events")["total_entries"],
            "backfills": [
                (backfill["id"], backfill["is_paused"])
                for backfill in self.get("/api/v2/backfills", dag_id="nightly")["backfills"]
            ],
            "connections": self.get("/api/v2/connections"),
            "pools": [pool["name"] for pool in self.get("/api/v2/pools")["pools"]],
            "variables": self.get("/api/v2/variables"),
            "users": [(user["username"], user["roles"]) for user in self.get("/auth/fab/v1/users")["users"]],
            "roles": self.get("/auth/fab/v1/roles"),
        }

    def filler(self, dag_id: str) -> Callable[[str], str]:
        """Return a function that fills in the parameters of a route's path."""
        values = {
            "dag_id": dag_id,
            "dag_run_id": quote(self.run_of(dag_id), safe=""),
            "task_id": "extract",
            "map_index": "-1",
            "group_id": "extract",
            "asset_id": str(self.asset("persado://site/plain")),
            "backfill_id": str(self.get("/api/v2/backfills", dag_id="nightly")["backfills"][0]["id"]),
            "connection_id": "site",
            "pool_name": "default_pool",
            "variable_key": "secret",
            "key": "originators",
            "xcom_key": "return_value",
            "file_token": self.get(f"/api/v2/dags/{dag_id}")["file_token"],
            "name": "Business User",
            "username": "restricted",
            "try_number": "1",
            "task_try_number": "1",
            "version_number": "1",
        }
        return lambda path: re.sub(r"{(\w+)(:path)?}", lambda found: values.get(found[1], "1"), path)
