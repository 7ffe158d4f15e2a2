"""
Who may change what in a real Airflow with users of each kind, checked on every route that can change something.

If Airflow or a plugin gains a route that does not refuse restricted users, a test here fails.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from support.airflow.world import RUN, World, new_user

from demo.airflow_api import http_client

pytestmark = [pytest.mark.xdist_group("airflow"), pytest.mark.timeout(900)]

# Allowed to every user who is logged in, because at most the user's own data changes.
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
    # The user's own name and password.
    ("POST", "/auth/resetmypassword/form"),
    ("POST", "/auth/userinfoeditview/form"),
}
TRIGGER = ("POST", "/api/v2/dags/{dag_id}/dagRuns")
# Airflow checks the same permission for all of these; a backfill creates runs, too.
START = {TRIGGER, ("POST", "/api/v2/backfills"), ("POST", "/api/v2/backfills/dry_run")}
# Airflow reports success, but skips the DAGs that the user may not change.
NOTHING = {("PATCH", "/api/v2/dags")}


def bodies(dag_id: str, run_id: str) -> dict[tuple[str, str], Any]:
    """Return bodies for the routes that read the body before they decide."""
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
def test_routes_refuse_users_without_permission(
    world: World, sent: dict[str, Any], user: str, dag_id: str, allowed: set[tuple[str, str]]
) -> None:
    before = world.state()
    given, fill = bodies(dag_id, world.run_of(dag_id)), world.filler(dag_id)
    got: dict[tuple[str, str], int] = {}
    for method, path in world.routes:
        # FAB's own pages do not accept a token; another test covers them with a browser session.
        ours = not path.startswith("/auth/") or path.startswith("/auth/fab/")
        if ours and (method, path) not in HARMLESS | (allowed - NOTHING):
            answer = world.ask(user, method, fill(path), json=given.get((method, path), {}))
            got[method, path] = answer.status_code
    assert len(got) > 50
    refused = {401} if user == "anonymous" else {403}
    passed = {route for route, code in got.items() if code not in refused}
    # A backfill that the user may not see is reported as not found.
    passed -= {route for route in passed if "{backfill_id}" in route[1] and got[route] == 404}
    assert passed <= NOTHING & allowed
    assert world.state() == before


@pytest.mark.parametrize("user", ["op", "admin"])
def test_no_route_of_a_dag_refuses_operators(world: World, sent: dict[str, Any], user: str) -> None:
    client, before = world.client(user), world.state()
    got = {}
    for method, path in world.routes:
        # The names do not exist, so nothing changes.
        if path.startswith("/api/v2/dags/{dag_id}"):
            answer = client.request(method, re.sub(r"{(\w+)(:path)?}", "nothing", path), json={})
            got[method, path] = answer.status_code
    assert len(got) > 30
    assert [route for route, code in got.items() if code in (401, 403)] == []
    assert world.state() == before


def tricks(world: World) -> Iterator[tuple[str, str, Any]]:
    """Yield requests that try to get past the check by referring to something that the user may start."""
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
def test_the_check_cannot_be_bypassed(world: World, sent: dict[str, Any], user: str) -> None:
    client, before = world.client(user), world.state()
    for method, path, body in tricks(world):
        answer = client.request(method, path, json=body)
        if answer.is_success:  # a bulk request in which each part failed or everything was skipped
            told = answer.json()
            done = [part["success"] for part in told.values() if isinstance(part, dict)]
            assert told.get("total_entries") == 0 or (done and not any(done)), path
    assert world.state() == before


def test_fabs_own_pages_do_not_let_users_change_rights(world: World, sent: dict[str, Any]) -> None:
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
