"""Who may start what in a real Airflow with users of each kind, and where the gate stops a run."""

import time
from functools import partial
from typing import Any

import pytest
from support.airflow.world import BUSINESS, CONFIG, RUN, World

pytestmark = [pytest.mark.xdist_group("airflow"), pytest.mark.timeout(900)]


def test_users_who_may_send_and_the_schedule_pass_the_gate(sent: dict[str, dict[str, str]]) -> None:
    delivered = dict.fromkeys(("run", "gate", "extract", "format", "upload"), "success")
    assert sent == {"business": delivered, "scheduled": delivered, "backfill": delivered}


def test_a_restricted_users_delivery_cannot_trigger_one_he_may_not_send(world: World, sent: dict[str, Any]) -> None:
    begun = world.ask("restricted", "POST", "/api/v2/dags/plain/dagRuns", json=RUN)
    assert begun.status_code == 200
    assert world.server.ended("plain", begun.json()["dag_run_id"])["run"] == "success"
    for dag_id, asks, why in (
        ("after_plain", "gate", "the user 'restricted' has restricted access to personal data"),
        # No personal data, but closed to business users: the extract task refuses.
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


def test_a_change_of_the_yaml_grants_and_revokes_the_right_to_start(world: World) -> None:
    def may_start() -> bool:
        # A different moment each time, far in the future, so that the run never begins.
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
def test_a_parameter_cannot_change_the_query(world: World, text: str) -> None:
    run = {**RUN, "conf": {"loyalty": text}}
    answer = world.ask("restricted", "POST", "/api/v2/dags/asking/dagRuns", json=run)
    assert (answer.status_code, "does not match" in answer.text) == (400, True)


@pytest.mark.parametrize(
    "levels",
    [["x') UNION SELECT mail FROM people --"], [[" OR 1=1 OR "]], [{"x": " OR 1=1 OR "}], " OR 1=1 OR ", {"'": 1}],
    ids=str,
)
def test_a_list_cannot_change_a_query(world: World, levels: Any) -> None:
    run = {**RUN, "conf": {"levels": levels}}
    answer = world.ask("restricted", "POST", "/api/v2/dags/listing/dagRuns", json=run)
    assert (answer.status_code, "Invalid input for param levels" in answer.text) == (400, True)


def test_a_list_may_be_given(world: World) -> None:
    # In SQLite, 7 and '7' differ, so no row is found. A dry run accepts that.
    run = {**RUN, "conf": {"levels": ["gold", "silver or bronze"], "dry_run": True}}
    begun = world.ask("restricted", "POST", "/api/v2/dags/listing/dagRuns", json=run)
    assert begun.status_code == 200
    ended = world.server.ended("listing", begun.json()["dag_run_id"])
    assert ended["extract"] in ("skipped", "failed")
    log = world.get(f"/api/v2/dags/listing/dagRuns/{begun.json()['dag_run_id']}/taskInstances/extract/logs/1")
    assert "Preview of listing" in str(log)


def test_users_may_start_what_they_may_send(world: World, sent: dict[str, Any]) -> None:
    users, dag_ids = ("op", "business", "restricted", "plain"), ("wide", "pii", "plain", "closed")
    # Different moments, far in the future, so that no run begins.
    tried = [
        world.client(user).post(
            f"/api/v2/dags/{dag_id}/dagRuns", json={**RUN, "run_after": f"{2100 + year}-01-01T00:00:00Z"}
        )
        for year, user in enumerate(users, 2100)
        for dag_id in dag_ids
    ]
    assert "".join("y" if answer.status_code == 200 else "n" for answer in tried) == "yyyyyyynynynnnnn"


def test_a_pii_dag_without_the_gate_is_an_import_error(world: World) -> None:
    (error,) = world.server.admin.import_errors()
    assert "ungated: sends personal data" in error["stack_trace"]
    assert "PersadoGateOperator" in error["stack_trace"]
    assert world.server.admin.dag("ungated") is None
