"""
Airflow as `make up` starts it, used in a browser as people use it: each kind of user, the forms, the deliveries page.

All tests share one Airflow, in any order. Screenshots of the page are left in `.build/screenshots`, to be looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Locator, Page, expect
from support.airflow.ui import airflow_up, chromium, make_checkout
from support.paths import REPO
from support.sites.keys import public_line, ssh_key

from demo.start import Demo, wait_for_dags
from persado.pipeline.site.keys import fingerprint, pinned_host_keys

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("airflow")]

SCREENSHOTS = REPO / ".build" / "screenshots"
PATIENCE = 60_000
"""Milliseconds to wait for anything; the machine may be busy."""

LONG = "customers_of_one_state_for_the_newsletter_of_the_brand_team_with_the_name_that_somebody_gave_it_once"
"""An orchestration that always fails: it has too few rows."""

BY_STATE = {
    "orchestrations/by_state.yaml": """
description: Customers of one state
query: by_state.sql
source: warehouse_default
data_template: by_state
owner: crm
owner_link: mailto:crm@example.com
settings: {filename_template: "state_{{run_id}}.csv"}
params:
  state: {type: string, enum: [CA, NY, TX], default: NY, title: State, description: Which state.}
  since: {type: string, format: date, default: "1950-01-01", title: Since, description: Registered since.}
  most: {type: integer, minimum: 1, maximum: 500, default: 100, title: Most, description: At most so many.}
""",
    "data_templates/by_state.yaml": """
destination: persado
columns: [{name: Hashed_Email}]
access: {business_users: true}
""",
    "queries/by_state.sql": """
SELECT md5(lower(email)) AS Hashed_Email FROM customers
WHERE state = '{{ params.state }}' AND customer_id > 0 AND DATE '{{ params.since }}' < current_date
LIMIT {{ params.most }}
""",
    f"orchestrations/{LONG}.yaml": """
query: by_state.sql
source: warehouse_default
data_template: by_state
settings: {filename_template: "{{orchestration}}.csv"}
rows: {fail_below: 1000000}
params:
  state: {type: string, default: NY}
  since: {type: string, default: "1950-01-01"}
  most: {type: integer, default: 100}
""",
    "destinations/elsewhere.yaml": "{connection: elsewhere, settings: {remote_folder: /not/there}}",
    "orchestrations/mistaken.yaml": "{query: none.sql, source: warehouse_default, data_template: segmnt}",
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """What `make up` starts, with an orchestration that has parameters, a folder that is missing and a mistake."""
    checkout = make_checkout(tmp_path_factory.mktemp("up") / "checkout")
    for name, text in BY_STATE.items():
        (checkout / "include" / "persado" / name).write_text(text)
    with airflow_up(checkout) as started:
        wait_for_dags(started, ["by_state", "weekly_segment", LONG])
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    with chromium() as started:
        yield started


class People:
    """The users, each logged in once, and the hosts that their browsers have asked."""

    def __init__(self, demo: Demo, browser: Browser) -> None:
        self.url, self._passwords, self._browser = demo.home.url, demo.home.passwords, browser
        self._states: dict[str, Any] = {}
        self._contexts: dict[tuple[str, str, int], BrowserContext] = {}
        self.hosts: set[str] = set()

    def page(self, user: str, *, theme: str = "light", width: int = 1600) -> Page:
        """Give a new window of a user, with Airflow's theme chosen."""
        if (user, theme, width) not in self._contexts:
            self._contexts[user, theme, width] = self._context(user, theme, width)
        page = self._contexts[user, theme, width].new_page()
        if user not in self._states:
            page.goto("/")
            page.locator("#username").fill(user)
            page.locator("#password").fill(self._passwords[user])
            page.get_by_role("button", name="Sign In").click()
            visible(page.get_by_test_id("nav-home-link"))
            self._states[user] = page.context.storage_state()
        return page

    def close_windows(self) -> None:
        for context in self._contexts.values():
            for page in context.pages:
                page.close()

    def _context(self, user: str, theme: str, width: int) -> BrowserContext:
        context = self._browser.new_context(
            viewport={"width": width, "height": 900}, storage_state=self._states.get(user), base_url=self.url
        )
        context.set_default_timeout(PATIENCE)
        context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
        context.on("request", lambda request: self._note(request.url))
        return context

    def _note(self, url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob"):
            self.hosts.add(urlsplit(url).netloc)


@pytest.fixture(scope="module")
def everybody(demo: Demo, browser: Browser) -> People:
    """All users, logged in as they are needed."""
    return People(demo, browser)


@pytest.fixture
def people(everybody: People) -> Iterator[People]:
    """All users; their windows are closed at the end, and none of them has asked another host."""
    yield everybody
    everybody.close_windows()
    assert everybody.hosts == {urlsplit(everybody.url).netloc}


@pytest.fixture(scope="module")
def failed(demo: Demo) -> str:
    """The id of a run with a long name that has failed."""
    return ended(demo, LONG, "failed")


@pytest.fixture(scope="module")
def delivered(demo: Demo) -> str:
    """The id of a run of weekly_segment that has delivered."""
    return ended(demo, "weekly_segment", "success")


def ended(demo: Demo, dag_id: str, state: str) -> str:
    run = str(demo.api.trigger(dag_id, logical_date=None)["dag_run_id"])
    demo.components.wait_for("the run", lambda: state_of(demo, dag_id, run) not in ("queued", "running"), 120)
    assert state_of(demo, dag_id, run) == state
    return run


def state_of(demo: Demo, dag_id: str, run_id: str) -> str:
    return str(demo.api.run(dag_id, run_id)["state"])


def deliveries(page: Page, path: str = "") -> FrameLocator:
    """Open the page in Airflow's navigation."""
    page.goto(f"/plugin/persado-deliveries{path}")
    return page.frame_locator("iframe[title='Persado deliveries']")


def visible(locator: Locator) -> Locator:
    expect(locator).to_be_visible(timeout=PATIENCE)
    return locator


# The connection


def test_an_operator_makes_and_tests_a_connection(people: People, demo: Demo) -> None:
    page = people.page("op")
    page.goto("/connections")
    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox").first.click()
    page.keyboard.type("Persado")
    page.keyboard.press("Enter")
    for label in ("Site", "Account", "Pass phrase", "Host key", "Private key", "Connect time-out", "Channel time-out"):
        expect(form.get_by_text(label, exact=True).first).to_be_attached(timeout=PATIENCE)
    assert (
        form.locator("[name=host]").get_attribute("placeholder") == "psftp.persado.com (Europe: eu-psftp.persado.com)"
    )
    for secret in ("password", "element_private_key", "element_private_key_passphrase"):
        assert form.locator(f"[name={secret}]").get_attribute("type") == "password"

    fields = {"connection_id": "mine", "host": demo.site.host, "port": str(demo.site.port), "login": demo.site.account}
    for name, value in {**fields, "password": "not the pass phrase"}.items():
        form.locator(f"[name={name}]").fill(value)
    save(form)
    # Nothing is pinned yet: nothing secret is sent, and the site's key is shown.
    kind, base64 = demo.site.host_key.split()[:2]
    told = press_test(page)
    assert "no host key is pinned" in told
    assert re.search(r"SHA256:[\w+/]{43}", told)
    assert f"{kind} {base64}" in told

    other = public_line(ssh_key(name="another site"))
    edit(page, "element_host_key", other)
    told = press_test(page)
    assert "wrong host key" in told
    assert all(fingerprint(key) in told for line in (other, f"{kind} {base64}") for key in pinned_host_keys(line, ""))

    edit(page, "element_host_key", f"{kind} {base64}")
    assert "the site refused the login. The pass phrase or the account is wrong" in press_test(page)

    edit(page, "password", demo.site.pass_phrase)
    assert "The remote folder / of destination persado is there and is writable." in press_test(page)


def save(form: Locator) -> None:
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden(timeout=PATIENCE)


def press_test(page: Page) -> str:
    """Press *Test* of the connection `mine`, and give what Airflow says."""
    page.goto("/connections")
    row = page.get_by_role("row").filter(has=page.get_by_text("mine", exact=True))
    with page.expect_response(lambda response: response.url.endswith("/connections/test")) as answered:
        row.get_by_role("button", name="Test Connection").click()
    told = str(answered.value.json()["message"])
    visible(page.get_by_text(told).first)
    return told


def edit(page: Page, field: str, value: str) -> None:
    page.goto("/connections")
    row = page.get_by_role("row").filter(has=page.get_by_text("mine", exact=True))
    row.get_by_role("button", name="Edit Connection").click()
    form = page.get_by_role("dialog")
    if field.startswith("element_"):
        form.get_by_role("button", name="Extra Fields", exact=True).click()
    form.locator(f"[name={field}]").fill(value)
    page.keyboard.press("Tab")
    save(form)


# A run


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


def test_the_rendered_query_is_visible_to_those_who_may(people: People, delivered: str) -> None:
    page = people.page("op")
    page.goto(f"/dags/weekly_segment/runs/{delivered}/tasks/extract/rendered_templates")
    visible(page.get_by_text("regexp_replace").first)


def test_the_dag_s_page_tells_what_is_sent(people: People) -> None:
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


# The deliveries page


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


def test_the_theme_follows_airflow_s_at_once(people: People) -> None:
    page = people.page("business", theme="dark")
    frame = deliveries(page)
    visible(frame.get_by_role("heading", name="Deliveries"))
    root, shade = frame.locator(":root"), "e => getComputedStyle(e).backgroundColor"
    assert root.evaluate(shade) == "rgb(17, 17, 17)"
    page.evaluate("localStorage.setItem('theme', 'light')")
    expect(root).to_have_class("light", timeout=PATIENCE)
    assert root.evaluate(shade) == "rgb(255, 255, 255)"


def test_moments_are_in_the_time_zone_of_airflow_s_ui(people: People, delivered: str) -> None:
    page = people.page("business")
    frame = deliveries(page)
    moment = frame.locator("td time").first
    page.evaluate("localStorage.setItem('timezone', JSON.stringify('Asia/Tokyo'))")
    expect(moment).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d GMT\+9$"), timeout=PATIENCE)
    at = datetime.fromisoformat(str(moment.get_attribute("datetime")))
    told = moment.inner_text().removesuffix(" GMT+9")
    assert told == f"{at.astimezone(ZoneInfo('Asia/Tokyo')):%Y-%m-%d %H:%M:%S}"
    expect(moment).to_have_attribute("title", f"{at:%Y-%m-%d %H:%M:%S} UTC")
    page.evaluate("localStorage.removeItem('timezone')")


def test_a_link_to_airflow_opens_beside_the_page_too(people: People, delivered: str) -> None:
    page = people.page("business")
    frame = deliveries(page, f"/persado/delivery?dag_id=weekly_segment&run_id={delivered.replace('+', '%2B')}")
    with page.context.expect_page() as opened:
        frame.get_by_role("link", name="Log of extract").click(modifiers=["ControlOrMeta"])
    opened.value.wait_for_url("**/tasks/extract")
    visible(frame.get_by_role("heading", name="Delivery of weekly_segment"))


@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_and_is_accessible(people: People, delivered: str, failed: str, theme: str, width: int) -> None:
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


SERIOUS = ("serious", "critical")


def test_without_a_log_in_there_is_nothing(demo: Demo, browser: Browser) -> None:
    context = browser.new_context(base_url=demo.home.url)
    page = context.new_page()
    answer = page.goto("/persado/deliveries")
    assert answer
    assert answer.status == 401
    visible(page.get_by_role("link", name="Log in to Airflow"))
    context.close()
