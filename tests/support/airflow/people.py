"""The browser windows of each user, and the steps that several tests share."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, FrameLocator, Locator, Page, expect

from demo.start import Demo

PATIENCE = 60_000
"""Time-out in milliseconds; long, because the machine may be busy."""

LONG = "customers_of_one_state_for_the_newsletter_of_the_brand_team_with_the_name_that_somebody_gave_it_once"
"""An orchestration that always fails: it has too few rows."""


class People:
    """The users, each logged in once, and the hosts that their browsers have contacted."""

    def __init__(self, demo: Demo, browser: Browser) -> None:
        self.url, self._passwords, self._browser = demo.home.url, demo.home.passwords, browser
        self._states: dict[str, Any] = {}
        self._contexts: dict[tuple[str, str, int], BrowserContext] = {}
        self.hosts: set[str] = set()

    def page(self, user: str, *, theme: str = "light", width: int = 1600) -> Page:
        """Return a new window of a user, with a theme of Airflow."""
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
        context.on("request", lambda request: self._record_host(request.url))
        return context

    def _record_host(self, url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob"):
            self.hosts.add(urlsplit(url).netloc)


def state_of(demo: Demo, dag_id: str, run_id: str) -> str:
    return str(demo.api.run(dag_id, run_id)["state"])


def deliveries(page: Page, path: str = "") -> FrameLocator:
    """Open the deliveries page inside Airflow's UI."""
    page.goto(f"/plugin/persado-deliveries{path}")
    return page.frame_locator("iframe[title='Persado deliveries']")


def visible(locator: Locator) -> Locator:
    expect(locator).to_be_visible(timeout=PATIENCE)
    return locator
