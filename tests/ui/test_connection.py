"""The form and the test of the connection, used in a browser by an operator."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from support.airflow.people import PATIENCE, People, visible
from support.sites.keys import public_line, ssh_key

from demo.start import Demo
from persado.pipeline.site.keys import fingerprint, pinned_host_keys

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("airflow")]


def test_an_operator_creates_and_tests_a_connection(people: People, demo: Demo) -> None:
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
    # No host key is pinned yet: no secret is sent, and the site's key is shown.
    kind, base64 = demo.site.host_key.split()[:2]
    message = press_test(page)
    assert "no host key is pinned" in message
    assert re.search(r"SHA256:[\w+/]{43}", message)
    assert f"{kind} {base64}" in message

    other = public_line(ssh_key(name="another site"))
    edit(page, "element_host_key", other)
    message = press_test(page)
    assert "wrong host key" in message
    assert all(
        fingerprint(key) in message for line in (other, f"{kind} {base64}") for key in pinned_host_keys(line, "")
    )

    edit(page, "element_host_key", f"{kind} {base64}")
    assert "the site refused the login with this account and pass phrase" in press_test(page)

    edit(page, "password", demo.site.pass_phrase)
    assert "The remote folder / of destination persado exists and is writable." in press_test(page)


def save(form: Locator) -> None:
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden(timeout=PATIENCE)


def press_test(page: Page) -> str:
    """Press *Test* for the connection `mine`, and return the message that Airflow shows."""
    page.goto("/connections")
    row = page.get_by_role("row").filter(has=page.get_by_text("mine", exact=True))
    with page.expect_response(lambda response: response.url.endswith("/connections/test")) as answered:
        row.get_by_role("button", name="Test Connection").click()
    message = str(answered.value.json()["message"])
    visible(page.get_by_text(message).first)
    return message


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
