"""DAGs and runs in a browser, for each kind of user: triggering, watching, reading and refusals."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from support.airflow.people import PATIENCE, People, deliveries, state_of, visible

from demo.start import Demo

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("airflow")]


def test_a_business_user_triggers_watches_and_finds_the_delivery(people: People, demo: Demo) -> None:
    page = people.page("business")
    page.goto("/dags/by_state")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    send = form.get_by_role("button", name="Trigger", exact=True)
    visible(form.get_by_text("Registered since."))

    since = form.locator("[name=element_since]")
    since.fill("")
    since.press("Tab")
    expect(send).to_be_disabled(timeout=PATIENCE)
    since.fill("1960-02-03")
    most = form.get_by_role("spinbutton").first
    most.fill("5000")
    most.press("Tab")
    expect(most).to_have_value("500", timeout=PATIENCE)
    most.fill("7")
    most.press("Tab")
    expect(send).to_be_enabled(timeout=PATIENCE)
    with page.expect_response(lambda response: response.url.endswith("/dags/by_state/dagRuns")) as answered:
        send.click()
    run = answered.value.json()
    assert answered.value.status == 200, run
    assert (run["triggering_user_name"], run["conf"]["most"]) == ("business", 7)

    page.goto(f"/dags/by_state/runs/{run['dag_run_id']}/tasks/success_file")
    expect(page.get_by_test_id("header-card").get_by_text("Success", exact=True)).to_be_visible(timeout=2 * PATIENCE)
    assert state_of(demo, "by_state", run["dag_run_id"]) in ("success", "running")
    page.get_by_role("link", name="Details", exact=True).click()
    page.get_by_role("link", name="Persado delivery").click()
    frame = page.frame_locator("iframe")
    visible(frame.get_by_role("heading", name="Delivery of by_state"))
    visible(frame.get_by_role("row").filter(has_text=re.compile(r"/state_manual_.*\.csv")))
    visible(frame.get_by_text("business", exact=True))

    frame.get_by_role("link", name="Log of extract").click()
    page.wait_for_url("**/tasks/extract", timeout=PATIENCE)
    page.go_back()
    visible(frame.get_by_role("heading", name="Delivery of by_state"))


def test_an_operator_sees_the_rendered_query(people: People, delivered: str) -> None:
    page = people.page("op")
    page.goto(f"/dags/weekly_segment/runs/{delivered}/tasks/extract/rendered_templates")
    visible(page.get_by_text("regexp_replace").first)


def test_the_page_of_a_dag_shows_what_is_sent(people: People) -> None:
    page = people.page("business")
    page.goto("/dags/weekly_segment")
    page.get_by_test_id("markdown-button").click()
    text = page.get_by_role("dialog")
    visible(text.get_by_role("row").filter(has_text="birth_dt").filter(has_text="PII"))
    visible(text.get_by_role("cell", name="queries/weekly_segment.sql, run in warehouse_default"))
    visible(text.get_by_role("row").filter(has_text="quote_mode").filter(has_text="special_characters"))


def test_a_restricted_user_cannot_send_personal_data(people: People, demo: Demo, delivered: str) -> None:
    before = len(demo.api._get("/api/v2/dags/weekly_segment/dagRuns")["dag_runs"])
    page = people.page("restricted")
    page.goto("/dags/weekly_segment")
    page.get_by_role("button", name="Trigger").first.click()
    send = page.get_by_role("dialog").get_by_role("button", name="Trigger", exact=True)
    with page.expect_response(lambda response: response.request.method == "POST") as answered:
        send.click()
    assert answered.value.status == 403
    assert len(demo.api._get("/api/v2/dags/weekly_segment/dagRuns")["dag_runs"]) == before

    frame = deliveries(page, f"/persado/delivery?dag_id=weekly_segment&run_id={delivered.replace('+', '%2B')}")
    visible(frame.get_by_role("heading", name="Delivery of weekly_segment"))
    expect(frame.get_by_text("Log of extract")).to_have_count(0)
    frame.get_by_role("link", name="Configuration").click()
    visible(frame.get_by_role("heading", name="OpenPGP keys"))
    expect(frame.get_by_text("mistaken.yaml")).to_have_count(0)
