"""
Who may send, against a real Airflow with users of each kind: through every route by which the API can change anything.

A route that is new in Airflow, or in a plugin, and not refused to restricted users makes a test fail here.
"""

import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml
from support.airflow.server import AirflowServer, airflow_server
from support.paths import TESTS
from support.sites.sftp_server import SftpServer

from demo.airflow_api import http_client

pytestmark = [pytest.mark.xdist_group("airflow"), pytest.mark.timeout(900)]

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
}

# What everybody who is logged in may do, for it changes nothing but what is their own.
HARMLESS = {
    ("POST", "/api/v2/dags/{dag_id}/dagRuns/list"),
    ("POST", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/list"),
    ("POST", "/api/v2/dags/{dag_id}/favorite"),
    ("POST", "/api/v2/dags/{dag_id}/unfavorite"),
    ("POST", "/ui/auth/token"),
    # Logging in.
    ("POST", "/auth/token"),
    ("POST", "/auth/token/cli"),
    ("POST", "/auth/login/"),
    ("POST", "/auth/api/v1/security/login"),
    ("POST", "/auth/api/v1/security/refresh"),
    # One's own name and password.
    ("POST", "/auth/resetmypassword/form"),
    ("POST", "/auth/userinfoeditview/form"),
}
TRIGGER = ("POST", "/api/v2/dags/{dag_id}/dagRuns")
# Airflow asks the same of both; a backfill is a run, too.
START = {TRIGGER, ("POST", "/api/v2/backfills"), ("POST", "/api/v2/backfills/dry_run")}
# Airflow answers this one well, and leaves out what one may not change.
NOTHING = {("PATCH", "/api/v2/dags")}

RUN = {"logical_date": None}

MORE_USERS = {"plain": ["User"], "boss": ["Admin", "Restricted PII"]}
"""Users beside those of the demo, and their roles."""


def bodies(dag_id: str, run_id: str) -> dict[tuple[str, str], Any]:
    """What the routes need that look into the body before they decide."""
    task = {"task_id": "extract", "dag_id": dag_id, "dag_run_id": run_id, "new_state": "success"}
    actions = {
        "dagRuns": {"action": "update", "entities": [{"dag_run_id": run_id, "dag_id": dag_id, "state": "queued"}]},
        "taskInstances": {"action": "update", "entities": [task]},
        "connections": {"action": "delete", "entities": ["site"]},
        "pools": {"action": "delete", "entities": ["default_pool"]},
        "variables": {"action": "delete", "entities": ["secret"]},
    }
    bulk = {name: {"actions": [action]} for name, action in actions.items()}
    day = datetime.now(UTC) - timedelta(days=3)
    backfill = {"dag_id": dag_id, "from_date": day.isoformat(), "to_date": day.isoformat()}
    return {
        TRIGGER: RUN,
        ("PATCH", "/api/v2/dags/{dag_id}/dagRuns"): bulk["dagRuns"],
        ("PATCH", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances"): bulk["taskInstances"],
        ("PATCH", "/api/v2/connections"): bulk["connections"],
        ("PATCH", "/api/v2/pools"): bulk["pools"],
        ("PATCH", "/api/v2/variables"): bulk["variables"],
        ("POST", "/api/v2/dags/{dag_id}/clearDagRuns"): {"dag_runs": [{"dag_run_id": run_id}], "dry_run": False},
        ("POST", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/clear"): {"dry_run": False},
        ("POST", "/api/v2/dags/{dag_id}/clearTaskInstances"): {"dag_run_id": run_id, "dry_run": False},
        ("PATCH", "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}"): {"state": "queued"},
        ("PATCH", "/api/v2/dags/{dag_id}"): {"is_paused": True},
        ("PATCH", "/api/v2/dags"): {"is_paused": True},
        ("POST", "/api/v2/backfills"): backfill,
        ("POST", "/api/v2/backfills/dry_run"): backfill,
        ("POST", "/api/v2/connections/test"): {"connection_id": "site", "conn_type": "persado"},
        ("POST", "/api/v2/connections/enqueue-test"): {"connection_id": "site", "conn_type": "persado"},
        ("POST", "/api/v2/variables"): {"key": "x", "value": "y"},
        ("POST", "/api/v2/pools"): {"name": "x", "slots": 1},
        ("POST", "/auth/fab/v1/users"): new_user("eve", "Admin"),
        ("PATCH", "/auth/fab/v1/users/{username}"): {"roles": [{"name": "Admin"}]},
        ("POST", "/auth/fab/v1/roles"): {"name": "Eve", "actions": []},
        ("PATCH", "/auth/fab/v1/roles/{name}"): {"name": "Business User", "actions": []},
    }


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
    """An Airflow with runs in it, and what the tests need to know about them."""

    def __init__(self, server: AirflowServer, site: SftpServer, config: Path, routes: list[tuple[str, str]]) -> None:
        self.server = server
        self.site = site
        self.routes = [(method, path) for method, path in routes if method != "GET"]
        self.reading = [path for method, path in routes if method == "GET"]
        self.clients: dict[str, httpx.Client] = {}
        self.admin = self.client("admin")
        self.config = config

    def client(self, user: str) -> httpx.Client:
        """Give the client of a user, logged in once."""
        if user not in self.clients:
            password = f"{user}'s password" if user in MORE_USERS else None
            self.clients[user] = self.server.client(user, password)
        return self.clients[user]

    def ask(self, user: str, method: str, path: str, **what: Any) -> httpx.Response:
        """Send a request; again where SQLite was busy."""
        answer = self.client(user).request(method, path, **what)
        for _ in range(5):
            if answer.status_code != 500:
                break
            time.sleep(1)
            answer = self.client(user).request(method, path, **what)
        return answer

    def describe(self, name: str, content: dict[str, Any]) -> None:
        """Write a file of the configuration; not in place, for Airflow reads it at any time."""
        new = self.config.parent / "new.yaml"
        new.write_text(yaml.safe_dump(content))
        new.replace(self.config / f"{name}.yaml")

    def get(self, path: str, **query: Any) -> Any:
        """Read something as the administrator."""
        return self.admin.get(path, params=query).raise_for_status().json()

    def run_of(self, dag_id: str) -> str:
        """Give the id of a DAG's first run; empty where it has none."""
        runs = self.get(f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"]
        return str(runs[0]["dag_run_id"]) if runs else "manual__none"

    def has_run(self, dag_id: str) -> bool:
        """Tell whether a DAG has a run."""
        return bool(self.get(f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"])

    def asset(self, uri: str) -> int:
        """Give the id of an asset."""
        return int(self.get("/api/v2/assets", uri_pattern=uri)["assets"][0]["id"])

    def state(self) -> dict[str, Any]:
        """Take stock of everything that a route might change."""
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
        """Give a function that fills in a route's path."""
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


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Start an Airflow; let the schedule, an operator's backfill and a business user each send once."""
    folder = tmp_path_factory.mktemp("access")
    config = folder / "include" / "persado"
    for name, content in CONFIG.items():
        if name.startswith("orchestrations/"):
            content = {"query": "people.sql", "source": "warehouse", **content}
        file = config / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content))
    (config / "queries").mkdir()
    (config / "queries" / "people.sql").write_text(f"SELECT mail, loyalty FROM people WHERE mail = '{SECRET}'")
    with sqlite3.connect(folder / "warehouse.db") as warehouse:
        warehouse.execute("CREATE TABLE people AS SELECT ? AS mail, 7 AS loyalty", (SECRET,))
    (folder / "site").mkdir()
    with SftpServer(folder / "site") as site:
        known = site.site()
        connections: list[dict[str, Any]] = [
            {"conn_id": "warehouse", "conn_type": "sqlite", "conn_host": str(folder / "warehouse.db")},
            {
                "conn_id": "site",
                "conn_type": "persado",
                "conn_host": known.host,
                "conn_port": known.port,
                "conn_login": known.login,
                "conn_password": known.password,
                "conn_extra": {"host_key": known.host_key},
            },
        ]
        with airflow_server(folder, config, connections, {"ungated.py": UNGATED}) as server:
            listed = subprocess.run(
                [sys.executable, "-m", "support.airflow.api_routes"],
                env={**server.home.environment, "PYTHONPATH": str(TESTS)},
                capture_output=True,
                text=True,
                check=True,
            )
            routes = [(method, path) for method, path in json.loads(listed.stdout.splitlines()[-1])]
            world = World(server, site, config, routes)
            names = [name.partition("/")[2] for name in CONFIG if name.startswith("orchestrations/")]
            server.wait_until("the DAGs", lambda: all(server.admin.dag(name) for name in names))
            world.admin.patch("/api/v2/dags", params={"dag_id_pattern": "%"}, json={"is_paused": False})
            for user, roles in MORE_USERS.items():
                world.ask("admin", "POST", "/auth/fab/v1/users", json=new_user(user, *roles)).raise_for_status()
            world.admin.post("/api/v2/variables", json={"key": "secret", "value": "x"}).raise_for_status()
            yield world
            for client in world.clients.values():
                client.close()


@pytest.fixture(scope="module")
def sent(world: World) -> dict[str, dict[str, str]]:
    """How the runs ended that those who may have set going."""
    day = datetime.now(UTC) - timedelta(days=3)
    window = {"dag_id": "nightly", "from_date": day.isoformat(), "to_date": (day + timedelta(days=1)).isoformat()}
    op = world.client("op")
    # SQLite may be busy just then.
    world.server.wait_until("the backfill", lambda: op.post("/api/v2/backfills", json=window).is_success)
    # Airflow takes also what is no parameter, and a query may use it.
    run = {**RUN, "conf": {"customer": SECRET}}
    begun = world.ask("business", "POST", "/api/v2/dags/pii/dagRuns", json=run).raise_for_status()
    world.server.wait_until("two runs", lambda: len(world.get("/api/v2/dags/nightly/dagRuns")["dag_runs"]) == 2)
    nightly = {
        run["run_type"]: world.server.ended("nightly", run["dag_run_id"])
        for run in world.get("/api/v2/dags/nightly/dagRuns")["dag_runs"]
    }
    return {"business": world.server.ended("pii", begun.json()["dag_run_id"]), **nightly}


def test_those_who_may_send_and_the_schedule_pass_the_gate(sent: dict[str, dict[str, str]]) -> None:
    delivered = dict.fromkeys(("run", "gate", "extract", "format", "upload"), "success")
    assert sent == {"business": delivered, "scheduled": delivered, "backfill": delivered}


@pytest.mark.parametrize(
    ("user", "dag_id", "allowed"),
    [
        ("anonymous", "pii", set()),
        ("restricted", "pii", set()),
        ("restricted", "plain", START),
        ("business", "pii", START),
        ("business", "closed", set()),
        ("boss", "pii", set()),
        ("plain", "pii", NOTHING),
    ],
)
def test_every_route_refuses(
    world: World, sent: dict[str, Any], user: str, dag_id: str, allowed: set[tuple[str, str]]
) -> None:
    before = world.state()
    given, fill = bodies(dag_id, world.run_of(dag_id)), world.filler(dag_id)
    got: dict[tuple[str, str], int] = {}
    for method, path in world.routes:
        # FAB's own pages know no token; they are tried below, by somebody who has logged in there.
        ours = not path.startswith("/auth/") or path.startswith("/auth/fab/")
        if ours and (method, path) not in HARMLESS | (allowed - NOTHING):
            answer = world.ask(user, method, fill(path), json=given.get((method, path), {}))
            got[method, path] = answer.status_code
    assert len(got) > 50
    refused = {401} if user == "anonymous" else {403}
    passed = {route for route, code in got.items() if code not in refused}
    # Of a backfill that one may not see one learns nothing.
    passed -= {route for route in passed if "{backfill_id}" in route[1] and got[route] == 404}
    assert passed <= NOTHING & allowed
    assert world.state() == before


@pytest.mark.parametrize("user", ["op", "admin"])
def test_operators_are_refused_nothing(world: World, sent: dict[str, Any], user: str) -> None:
    client, before = world.client(user), world.state()
    got = {}
    for method, path in world.routes:
        # With names of nothing, so that nothing changes.
        if path.startswith("/api/v2/dags/{dag_id}"):
            answer = client.request(method, re.sub(r"{(\w+)(:path)?}", "nothing", path), json={})
            got[method, path] = answer.status_code
    assert len(got) > 30
    assert [route for route, code in got.items() if code in (401, 403)] == []
    assert world.state() == before


def tricks(world: World) -> Iterator[tuple[str, str, Any]]:
    """Ways round that look as if they were about something that one may start."""
    plain, pii = world.run_of("plain"), world.run_of("pii")
    task = {"task_id": "extract", "dag_id": "pii", "dag_run_id": pii, "new_state": "failed"}
    runs = {"actions": [{"action": "update", "entities": [{"dag_run_id": pii, "dag_id": "pii", "state": "queued"}]}]}
    day = datetime.now(UTC) - timedelta(days=4)
    window = {"from_date": day.isoformat(), "to_date": day.isoformat()}
    for query in ("dag_id=plain", "dag_id=~", "dag_id="):
        yield "POST", f"/api/v2/dags/pii/dagRuns?{query}", RUN
        yield "PATCH", f"/api/v2/dags?{query}&dag_id_pattern=%", {"is_paused": True}
        yield "POST", f"/api/v2/backfills?{query}", {"dag_id": "nightly", **window}
        yield "POST", f"/api/v2/backfills?{query}", {"dag_id": ["plain", "nightly"], **window}
        yield "DELETE", f"/api/v2/dags/pii?{query}", None
        yield "POST", f"/api/v2/assets/events?{query}", {"asset_id": world.asset("persado://site/plain")}
    for path in ("/api/v2/dags/~/dagRuns", "/api/v2/dags/plain/../pii/dagRuns", "/api/v2/dags/pii%2F/dagRuns"):
        yield "POST", path, RUN
    for path in ("/api/v2/dags/PII/dagRuns", "//api/v2/dags/pii/dagRuns", "/api/v2/dags/pii%00/dagRuns"):
        yield "POST", path, RUN
    for outer in ("plain", "~"):
        yield "PATCH", f"/api/v2/dags/{outer}/dagRuns", runs
        yield "POST", f"/api/v2/dags/{outer}/clearDagRuns", {"dag_runs": [{"dag_run_id": pii, "dag_id": "pii"}]}
        yield (
            "PATCH",
            f"/api/v2/dags/{outer}/dagRuns/~/taskInstances",
            {"actions": [{"action": "update", "entities": [task]}]},
        )
        yield "POST", f"/api/v2/dags/{outer}/clearTaskInstances", {"dag_run_id": pii, "dry_run": False}
    for uri in ("plain", "pii", "wide"):
        yield "POST", f"/api/v2/assets/{world.asset(f'persado://site/{uri}')}/materialize", {}
    yield (
        "POST",
        "/api/v2/dags/plain/dagRuns",
        {**RUN, "dag_id": "pii", "dag_run_id": "scheduled__2026-01-01T00:00:00+00:00"},
    )
    yield "POST", f"/api/v2/dags/plain/dagRuns/{quote(plain, safe='')}/clear", {"dry_run": False}
    yield "PATCH", "/auth/fab/v1/users/restricted?update_mask=roles", {"roles": [{"name": "Op"}]}


@pytest.mark.parametrize("user", ["restricted", "plain"])
def test_there_is_no_way_round(world: World, sent: dict[str, Any], user: str) -> None:
    client, before = world.client(user), world.state()
    for method, path, body in tricks(world):
        answer = client.request(method, path, json=body)
        if answer.is_success:  # with nothing but errors for each of many, or after leaving all of them out
            told = answer.json()
            done = [part["success"] for part in told.values() if isinstance(part, dict)]
            assert told.get("total_entries") == 0 or (done and not any(done)), path
    assert world.state() == before


def test_fabs_own_pages_let_nobody_raise_himself(world: World, sent: dict[str, Any]) -> None:
    before = world.state()
    with http_client(world.server.home.url, follow_redirects=True) as browser:
        form = browser.get("/auth/login/").text
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)
        assert found
        token = {"csrf_token": found[1]}
        known = {"username": "restricted", "password": world.server.home.passwords["restricted"]}
        browser.post("/auth/login/", data=token | known)
        assert "_token" in browser.cookies
        for method, path in world.routes:
            if path.startswith("/auth/") and not path.startswith("/auth/fab/") and (method, path) not in HARMLESS:
                filled = re.sub("<(string:)?name>", "userinfoedit", path.replace("<pk>", "1"))
                for pk in ("1", "4"):
                    data = token | {"roles": "1", "active": "y", "username": "eve", "name": "eve", "rowid": pk}
                    browser.request(method, filled.replace("/1", f"/{pk}"), data=data)
        assert browser.post("/api/v2/dags/pii/dagRuns", json=RUN).status_code == 403
    assert world.state() == before


def test_what_a_restricted_user_starts_does_not_lead_to_more(world: World, sent: dict[str, Any]) -> None:
    begun = world.ask("restricted", "POST", "/api/v2/dags/plain/dagRuns", json=RUN)
    assert begun.status_code == 200
    assert world.server.ended("plain", begun.json()["dag_run_id"])["run"] == "success"
    for dag_id, asks, why in (
        ("after_plain", "gate", "the user 'restricted' has restricted access to personal data"),
        # Nothing personal in it, but not for business users: there the task that reads refuses.
        ("closed_after", "extract", "the user 'restricted' is a business user"),
    ):
        world.server.wait_until("what follows", partial(world.has_run, dag_id))
        followed = world.server.ended(dag_id, world.run_of(dag_id))
        expected = {"run": "failed", **dict.fromkeys(("extract", "format", "upload"), "upstream_failed")}
        assert followed == {**expected, asks: "failed"}
        asset = world.asset(f"persado://site/{dag_id}")
        (kept,) = world.get(f"/api/v2/assets/{asset}/state-store")["asset_state_store"]
        assert why in kept["value"]["message"]
        assert f"{dag_id}.csv" not in {path.name for path in world.site.folder.iterdir()}


def test_what_the_yaml_gives_it_takes_back(world: World) -> None:
    def may_start() -> bool:
        # At a moment of its own, far in the future: the run never begins.
        run = {**RUN, "run_after": f"2200-01-01T00:00:{time.monotonic() % 60:09.6f}Z"}
        answer = world.ask("business", "POST", "/api/v2/dags/changing/dagRuns", json=run)
        assert answer.status_code in (200, 403)
        return answer.status_code == 200

    closed = CONFIG["data_templates/changing"]
    assert not may_start()
    world.describe("data_templates/changing", {**closed, "access": BUSINESS})
    world.server.wait_until("the right to start", may_start)
    world.describe("data_templates/changing", closed)
    world.server.wait_until("the right to end", lambda: not may_start())


@pytest.mark.parametrize("text", ["x' OR '1' = '1", "x'; DELETE FROM people; --", "x\\", '"mail"', "x /* y"])
def test_nobody_changes_a_query_by_a_parameter(world: World, text: str) -> None:
    run = {**RUN, "conf": {"loyalty": text}}
    answer = world.ask("restricted", "POST", "/api/v2/dags/asking/dagRuns", json=run)
    assert (answer.status_code, "does not match" in answer.text) == (400, True)


def test_each_may_start_what_he_may_send(world: World, sent: dict[str, Any]) -> None:
    users, dag_ids = ("op", "business", "restricted", "plain"), ("wide", "pii", "plain", "closed")
    # Far in the future, and so never, each at a moment of its own.
    tried = [
        world.client(user).post(
            f"/api/v2/dags/{dag_id}/dagRuns", json={**RUN, "run_after": f"{2100 + year}-01-01T00:00:00Z"}
        )
        for year, user in enumerate(users, 2100)
        for dag_id in dag_ids
    ]
    assert "".join("y" if answer.status_code == 200 else "n" for answer in tried) == "yyyyyyynynynnnnn"


def test_a_restricted_user_sees_that_but_not_what_was_sent(world: World, sent: dict[str, Any]) -> None:
    run = quote(world.run_of("pii"), safe="")
    base = f"/api/v2/dags/pii/dagRuns/{run}/taskInstances"
    for user, sees in (("restricted", False), ("business", True), ("op", True)):
        client = world.client(user)
        assert client.get(f"/api/v2/dags/pii/dagRuns/{run}").json()["state"] == "success"
        for path in (
            base,
            f"{base}/extract",
            f"{base}/extract/tries",
            f"{base}/extract/-1",
            "/api/v2/dags/~/dagRuns/~/taskInstances",
        ):
            answer = world.ask(user, "GET", path)
            assert answer.status_code == 200
            assert (SECRET in answer.text) == (sees and "tries" not in path), path
        listed = client.post("/api/v2/dags/~/dagRuns/~/taskInstances/list", json={})
        assert (SECRET in listed.text) == sees
        logs = client.get(f"{base}/extract/logs/1")
        assert logs.status_code == (200 if sees else 403)
    restricted = world.client("restricted")
    assert {dag["dag_id"] for dag in restricted.get("/api/v2/dags").json()["dags"]} == {
        name.partition("/")[2] for name in CONFIG if name.startswith("orchestrations/")
    }


@pytest.mark.parametrize(
    ("user", "more"),
    [("restricted", {"connections", "variables", "v2/config"}), ("boss", set())],
)
def test_no_route_shows_a_restricted_user_a_value(
    world: World, sent: dict[str, Any], user: str, more: set[str]
) -> None:
    fill = world.filler("pii")
    got: dict[str, int] = {}
    for path in world.reading:
        # Not the way out, which ends the session, and not FAB's pages, which know no token.
        if path.startswith(("/api/", "/ui/", "/persado", "/auth/fab/")) and not path.endswith("/logout"):
            answer = world.ask(user, "GET", fill(path), params={"dag_id": "pii", "interval": 1})
            assert SECRET not in answer.text, path
            got[path] = answer.status_code
    assert len(got) > 80
    assert list(got.values()).count(200) > 30
    for part in {"xcomEntries", "logs", "dagSources", "eventLogs"} | more:
        assert 200 not in {code for path, code in got.items() if f"/{part}" in path}, part


def test_a_restricted_user_reads_the_preview_of_what_he_may_send(world: World) -> None:
    begun = world.ask("restricted", "POST", "/api/v2/dags/wide/dagRuns", json={**RUN, "conf": {"dry_run": True}})
    run_id = begun.raise_for_status().json()["dag_run_id"]
    assert begun.json()["conf"]["dry_run"]
    assert world.server.ended("wide", run_id)["extract"] == "skipped"
    path = f"/api/v2/dags/wide/dagRuns/{quote(run_id, safe='')}/taskInstances/extract/logs/1"
    log = world.ask("restricted", "GET", path)
    assert "as they would be written" in log.text
    assert "***" in log.text
    assert SECRET not in log.text


def test_a_pii_dag_without_the_gate_is_an_import_error(world: World) -> None:
    (error,) = world.server.admin.import_errors()
    assert "ungated: sends personal data" in error["stack_trace"]
    assert "PersadoGateOperator" in error["stack_trace"]
    assert world.server.admin.dag("ungated") is None
