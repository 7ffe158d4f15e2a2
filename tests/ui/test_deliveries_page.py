"""
The deliveries page in a browser: its filter, keyboard, theme, time zone, links and accessibility.

Screenshots of the page are saved in `.build/screenshots` for review.
"""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect
from support.airflow.people import LONG, PATIENCE, People, deliveries, visible
from support.paths import REPO

from demo.start import Demo

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("airflow")]

SCREENSHOTS = REPO / ".build" / "screenshots"
SERIOUS = ("serious", "critical")


def test_the_page_is_in_the_navigation_and_can_be_filtered(people: People, delivered: str) -> None:
    page = people.page("business")
    page.goto("/")
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Persado deliveries").click()
    frame = page.frame_locator("iframe")
    visible(frame.get_by_role("row").filter(has_text="weekly_segment").first)
    frame.get_by_label("Orchestration").select_option("weekly_segment")
    frame.get_by_label("Outcome").select_option("delivered")
    frame.get_by_label("Text").fill(".csv.gz.pgp")
    frame.get_by_label("Text").press("Enter")
    visible(frame.get_by_role("link", name="Clear"))
    visible(frame.get_by_role("img", name="Rows over time"))
    frame.get_by_label("Text").fill("nothing like it")
    frame.get_by_role("button", name="Filter").click()
    visible(frame.get_by_text("Nothing fits the filter."))
    page.wait_for_url("**q=nothing**", timeout=PATIENCE)


def test_the_page_can_be_used_by_keyboard(people: People, delivered: str) -> None:
    page = people.page("business")
    page.goto("/persado/deliveries")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    reached = []
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name || document.activeElement.tagName"))
    assert reached == ["dag_id", "outcome", "q", "BUTTON", "A"]
    page.keyboard.press("Enter")
    visible(page.get_by_role("heading", name="Delivery of"))


def test_the_theme_follows_airflows_theme_immediately(people: People) -> None:
    page = people.page("business", theme="dark")
    frame = deliveries(page)
    visible(frame.get_by_role("heading", name="Deliveries"))
    root, shade = frame.locator(":root"), "e => getComputedStyle(e).backgroundColor"
    assert root.evaluate(shade) == "rgb(17, 17, 17)"
    page.evaluate("localStorage.setItem('theme', 'light')")
    expect(root).to_have_class("light", timeout=PATIENCE)
    assert root.evaluate(shade) == "rgb(255, 255, 255)"


def test_times_are_in_the_time_zone_of_airflows_ui(people: People, delivered: str) -> None:
    page = people.page("business")
    frame = deliveries(page)
    moment = frame.locator("td time").first
    page.evaluate("localStorage.setItem('timezone', JSON.stringify('Asia/Tokyo'))")
    expect(moment).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d GMT\+9$"), timeout=PATIENCE)
    at = datetime.fromisoformat(str(moment.get_attribute("datetime")))
    shown = moment.inner_text().removesuffix(" GMT+9")
    assert shown == f"{at.astimezone(ZoneInfo('Asia/Tokyo')):%Y-%m-%d %H:%M:%S}"
    expect(moment).to_have_attribute("title", f"{at:%Y-%m-%d %H:%M:%S} UTC")
    page.evaluate("localStorage.removeItem('timezone')")


def test_a_link_to_airflow_can_be_opened_in_a_new_tab(people: People, delivered: str) -> None:
    page = people.page("business")
    frame = deliveries(page, f"/persado/delivery?dag_id=weekly_segment&run_id={delivered.replace('+', '%2B')}")
    with page.context.expect_page() as opened:
        frame.get_by_role("link", name="Log of extract").click(modifiers=["ControlOrMeta"])
    opened.value.wait_for_url("**/tasks/extract")
    visible(frame.get_by_role("heading", name="Delivery of weekly_segment"))


@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_fit_the_window_and_are_accessible(
    people: People, delivered: str, failed: str, theme: str, width: int
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page = people.page("admin", theme=theme, width=width)
    for name, path in {
        "deliveries": "deliveries",
        "filtered": "deliveries?dag_id=weekly_segment",
        "delivery": f"delivery?dag_id=weekly_segment&run_id={delivered.replace('+', '%2B')}",
        "failed": f"delivery?dag_id={LONG}&run_id={failed.replace('+', '%2B')}",
        "trends": "trends",
        "configuration": "configuration",
    }.items():
        page.goto(f"/persado/{path}")
        for summary in page.locator("summary").all():
            summary.click()
        page.screenshot(path=SCREENSHOTS / f"{name}-{theme}-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        found = Axe().run(page).response["violations"]
        assert [(name, wrong["id"], wrong["nodes"]) for wrong in found if wrong["impact"] in SERIOUS] == []
    expect(page.get_by_text("orchestrations/mistaken.yaml")).to_be_visible()


def test_the_page_requires_a_login(demo: Demo, browser: Browser) -> None:
    context = browser.new_context(base_url=demo.home.url)
    page = context.new_page()
    answer = page.goto("/persado/deliveries")
    assert answer
    assert answer.status == 401
    visible(page.get_by_role("link", name="Log in to Airflow"))
    context.close()
