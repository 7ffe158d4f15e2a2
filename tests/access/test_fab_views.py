"""Who sees what in a real Airflow with users of each kind: restricted users see no personal data."""

from typing import Any
from urllib.parse import quote

import pytest
from support.airflow.world import CONFIG, RUN, SECRET, World

pytestmark = [pytest.mark.xdist_group("airflow"), pytest.mark.timeout(900)]


def test_a_restricted_user_sees_runs_but_no_personal_data(world: World, sent: dict[str, Any]) -> None:
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
def test_no_route_shows_personal_data_to_a_restricted_user(
    world: World, sent: dict[str, Any], user: str, more: set[str]
) -> None:
    fill = world.filler("pii")
    got: dict[str, int] = {}
    for path in world.reading:
        # Without logout, which ends the session, and FAB's own pages, which do not accept a token.
        if path.startswith(("/api/", "/ui/", "/persado", "/auth/fab/")) and not path.endswith("/logout"):
            answer = world.ask(user, "GET", fill(path), params={"dag_id": "pii", "interval": 1})
            assert SECRET not in answer.text, path
            got[path] = answer.status_code
    assert len(got) > 80
    assert list(got.values()).count(200) > 30
    for part in {"xcomEntries", "logs", "dagSources", "eventLogs"} | more:
        assert 200 not in {code for path, code in got.items() if f"/{part}" in path}, part


def test_a_restricted_user_sees_a_masked_preview_of_a_dag_he_may_start(world: World) -> None:
    begun = world.ask("restricted", "POST", "/api/v2/dags/wide/dagRuns", json={**RUN, "conf": {"dry_run": True}})
    run_id = begun.raise_for_status().json()["dag_run_id"]
    assert begun.json()["conf"]["dry_run"]
    assert world.server.ended("wide", run_id)["extract"] == "skipped"
    path = f"/api/v2/dags/wide/dagRuns/{quote(run_id, safe='')}/taskInstances/extract/logs/1"
    log = world.ask("restricted", "GET", path)
    assert "as they would be written" in log.text
    assert "***" in log.text
    assert SECRET not in log.text
