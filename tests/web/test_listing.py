"""The lists, trends and counters of many deliveries, as the API server serves them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from support.airflow.pages import SETTINGS, deliver
from support.airflow.runs import Project

from persado.ledger.reader import IS_RECORD, read_record

pytestmark = pytest.mark.xdist_group("web")


def test_lists_are_paginated(project: Project, ann: TestClient) -> None:
    for _ in range(3):
        deliver(project, "often")
    first, last = (
        ann.get("/persado/api/deliveries", params={"dag_id": "often", "per_page": 2, "page": page}).json()
        for page in (1, 99)
    )
    assert (first["total"], first["pages"], len(first["items"])) == (3, 2, 2)
    assert (last["page"], len(last["items"])) == (2, 1)
    moments = [item["finished"] for item in first["items"] + last["items"]]
    assert moments == sorted(moments, reverse=True)


def test_trend_shows_outcomes_and_rows(project: Project, ann: TestClient) -> None:
    deliver(project, "developing")
    project.inbox.rename(project.inbox.with_name("moved"))
    deliver(project, "developing")
    (trend,) = ann.get("/persado/api/trends", params={"dag_id": "developing"}).json()
    assert [(point["outcome"], point["rows"]) for point in trend["points"]] == [("delivered", 2), ("failed", None)]
    assert trend["delivered"] == 1

    text = ann.get("/persado/deliveries", params={"dag_id": "developing"}).text
    (rows,) = re.findall(r'<figure class="rows">.*?</figure>', text, re.DOTALL)
    assert 'aria-label="Rows over time: latest 2"' in rows
    assert "<span>2</span><span>0</span>" in rows
    days = [trend["points"][place]["finished"][:10] for place in (0, -1)]
    assert re.findall(r'<time class="day"[^>]*>([^<]*)</time>', rows) == days


def test_metrics_count_deliveries(project: Project, ann: TestClient) -> None:
    deliver(project, "counted")
    text = ann.get("/persado/metrics").text
    assert 'persado_tries{orchestration="counted",outcome="delivered"} 1\n' in text
    assert 'persado_last_delivery_rows{orchestration="counted"} 2\n' in text
    assert 'persado_last_delivery_bytes{orchestration="counted"} 6\n' in text


def test_metrics_of_an_orchestration_that_changed_its_destination(project: Project, ann: TestClient) -> None:
    deliver(project, "moved")
    other = {"connection": "site", "settings": {"remote_folder": "/inbox", **SETTINGS}}
    project.write("destinations/other.yaml", yaml.safe_dump(other))
    project.write("data_templates/moved_template.yaml", "destination: other\n")
    project.run("moved")
    lines = [line for line in ann.get("/persado/metrics").text.splitlines() if '"moved"' in line]
    assert 'persado_tries{orchestration="moved",outcome="delivered"} 2' in lines
    assert len({line.partition("} ")[0] for line in lines}) == len(lines)


def test_only_the_shown_page_of_a_long_ledger_is_read(
    project: Project, ann: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from persado.web import listing

    deliver(project, "long")
    begin = datetime(2021, 3, 4, tzinfo=UTC)
    read: list[str] = []
    copy_records("long", [begin + timedelta(minutes=number) for number in range(300)])

    def record_key(key: str, value: str) -> Any:
        read.append(key)
        return read_record(key, value)

    monkeypatch.setattr(listing, "read_record", record_key)

    listed = ann.get("/persado/api/deliveries", params={"dag_id": "long", "page": 3, "per_page": 50}).json()
    assert (listed["total"], listed["pages"]) == (301, 7)
    newest = begin + timedelta(minutes=299)
    expected = [newest - timedelta(minutes=number) for number in range(99, 149)]
    assert [datetime.fromisoformat(item["finished"]) for item in listed["items"]] == expected
    assert len(read) == 50

    found = ann.get("/persado/api/deliveries", params={"dag_id": "long", "q": " OUT.csv\t", "outcome": "delivered"})
    assert found.json()["total"] == 301
    for nothing in ("out%csv", "remote_path", '"outcome"', "\\", "é"):
        assert ann.get("/persado/api/deliveries", params={"dag_id": "long", "q": nothing}).json()["total"] == 0
    assert ann.get("/persado/api/deliveries", params={"dag_id": "long", "q": "LONG_site"}).json()["total"] == 301
    assert 'persado_tries{orchestration="long",outcome="delivered"} 301\n' in ann.get("/persado/metrics").text


def test_a_killed_try_is_listed_in_order(project: Project, ann: TestClient) -> None:
    from persado.ledger.writer import RUNNING

    run = deliver(project, "killed")
    begin = datetime(2022, 3, 4, tzinfo=UTC)
    copy_records("killed", [begin + timedelta(minutes=number) for number in range(0, 20, 2)])
    at = begin + timedelta(minutes=9)
    failure = {"stage": "upload", "try_number": 3, "error": "Killed", "message": "it was killed", "reason": None}
    shared = {"outcome": "failed", "delivery_id": None, "dag_id": "killed", "run_id": run.run_id, "triggered_by": "ann"}
    copy_record("killed", RUNNING, {**shared, **failure, "finished": at.isoformat()})

    pages = [
        ann.get("/persado/api/deliveries", params={"dag_id": "killed", "page": page, "per_page": per_page}).json()
        for per_page in (1, 2, 5)
        for page in range(1, 12 // per_page + 2)
    ]
    assert {page["total"] for page in pages} == {12}
    minutes = [18, 16, 14, 12, 10, 9, 8, 6, 4, 2, 0]
    for per_page in (1, 2, 5):
        shown = {
            item["finished"]: item for page in pages for item in page["items"] if -(-12 // per_page) == page["pages"]
        }
        assert [datetime.fromisoformat(moment) for moment in list(shown)[1:]] == [
            begin + timedelta(minutes=minute) for minute in minutes
        ]
    (entry,) = ann.get("/persado/api/deliveries", params={"q": "IT WAS KILLED", "dag_id": "killed"}).json()["items"]
    assert (entry["outcome"], entry["stage"]) == ("failed", "upload")
    assert 'persado_tries{orchestration="killed",outcome="failed"} 1\n' in ann.get("/persado/metrics").text


def copy_records(dag_id: str, moments: list[datetime]) -> None:
    """Copy the only record of a DAG to other moments."""
    for moment in moments:
        copy_record(dag_id, f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}_copy", {"finished": moment.isoformat()})


def copy_record(dag_id: str, key: str, changes: dict[str, Any]) -> None:
    """Copy a DAG's newest record with changes; if they contain an outcome, they are the whole record."""
    from airflow.models.asset_state_store import AssetStateStoreModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    columns = [column.key for column in AssetStateStoreModel.__table__.columns]
    with create_session() as session:
        found = select(AssetStateStoreModel).where(
            IS_RECORD, AssetStateStoreModel.value.contains(f'"dag_id": "{dag_id}"')
        )
        record = session.scalars(found.order_by(AssetStateStoreModel.key.desc())).first()
        assert record
        value = changes if "outcome" in changes else {**json.loads(record.value), **changes}
        copied = {name: getattr(record, name) for name in columns}
        session.add(AssetStateStoreModel(**{**copied, "key": key, "value": json.dumps(value)}))
