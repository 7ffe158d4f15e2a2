"""
Airflow as `make up` starts it, and a browser.

All tests share one Airflow and run in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser
from support.airflow.people import LONG, People, state_of
from support.airflow.ui import airflow_up, chromium, make_checkout

from demo.start import Demo, wait_for_dags

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


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Start what `make up` starts, with an orchestration with parameters, a missing remote folder and a mistake."""
    checkout = make_checkout(tmp_path_factory.mktemp("up") / "checkout")
    for name, text in BY_STATE.items():
        (checkout / "include" / "persado" / name).write_text(text)
    with airflow_up(checkout) as started:
        wait_for_dags(started, ["by_state", "weekly_segment", LONG])
        yield started


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Yield a browser without a window."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def everybody(demo: Demo, browser: Browser) -> People:
    """Return all users; each is logged in when first needed."""
    return People(demo, browser)


@pytest.fixture
def people(everybody: People) -> Iterator[People]:
    """Yield all users; close their windows at the end, and check that they contacted no other host."""
    yield everybody
    everybody.close_windows()
    assert everybody.hosts == {urlsplit(everybody.url).netloc}


@pytest.fixture(scope="package")
def failed(demo: Demo) -> str:
    """Return the id of a failed run of the orchestration with the long name."""
    return ended(demo, LONG, "failed")


@pytest.fixture(scope="package")
def delivered(demo: Demo) -> str:
    """Return the id of a successful run of weekly_segment."""
    return ended(demo, "weekly_segment", "success")


def ended(demo: Demo, dag_id: str, state: str) -> str:
    run = str(demo.api.trigger(dag_id, logical_date=None)["dag_run_id"])
    demo.components.wait_for("the run", lambda: state_of(demo, dag_id, run) not in ("queued", "running"), 120)
    assert state_of(demo, dag_id, run) == state
    return run
