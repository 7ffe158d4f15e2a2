"""The deliveries page and its API, as the API server serves them: who may look, and what they see."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from support.airflow.runs import Project, airflow_database, project

from persado.ledger.reader import IS_RECORD, read_record

pytestmark = pytest.mark.xdist_group("web")

__all__ = ["airflow_database", "project"]

SETTINGS = {"filename_template": "out.csv"}
PAGES = ["deliveries", "trends", "configuration"]
APIS = ["api/deliveries", "api/trends", "api/configuration"]


@pytest.fixture(scope="module")
def airflow(airflow_database: None) -> Iterator[Any]:
    """Airflow's API server with the plugin."""
    from airflow.api_fastapi.app import create_app, purge_cached_app

    with pytest.MonkeyPatch.context() as env:
        env.setenv("AIRFLOW__CORE__AUTH_MANAGER", "support.airflow.one_dag_auth.OneDagAuthManager")
        env.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "ann:viewer")
        env.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "0123456789" * 7)
        purge_cached_app()
        yield create_app("core")
        purge_cached_app()


@pytest.fixture
def server(airflow: Any) -> TestClient:
    """Nobody in particular, in front of the API server."""
    return TestClient(airflow, follow_redirects=False)


@pytest.fixture
def ann(server: TestClient) -> TestClient:
    """Ann, who may read everything."""
    return logged_in(server, "ann")


def logged_in(server: TestClient, name: str) -> TestClient:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role="op"))
    user = TestClient(server.app, follow_redirects=False)
    user.headers["Authorization"] = f"Bearer {token}"
    return user


def deliver(project: Project, name: str, **more: Any) -> Any:
    project.describe(name, "SELECT 1 AS a UNION SELECT 2", settings=SETTINGS, **more)
    return project.run(name, run_conf={"reason": "asked for by Ann"})


@pytest.mark.parametrize("path", [*PAGES, "delivery", "static/page.css", "api/deliveries", "metrics", "", "nothing"])
def test_nobody_sees_anything_without_a_log_in(server: TestClient, path: str) -> None:
    answer = server.get(f"/persado/{path}", headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert "log in" in answer.text
    assert server.get(f"/persado/{path}").json() == {"detail": "Not authenticated"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(ann: TestClient, method: str) -> None:
    assert ann.request(method, "/persado/deliveries").status_code == 405


def test_a_delivery_is_listed_and_described(project: Project, ann: TestClient) -> None:
    run = deliver(project, "listed")
    (entry,) = ann.get("/persado/api/deliveries", params={"dag_id": "listed"}).json()["items"]
    assert (entry["outcome"], entry["run_id"], entry["rows"], entry["bytes"]) == ("delivered", run.run_id, 2, 6)

    page = ann.get("/persado/deliveries", params={"dag_id": "listed"}).text
    link = re.search(r'href="(delivery\?dag_id=listed[^"]*)"', page)
    assert link
    shown = ann.get(f"/persado/{link[1].replace('&amp;', '&')}").text
    (file,) = entry["files"]
    for expected in (
        "asked for by Ann",
        file["remote_path"],
        file["sha256"],
        "/inbox/out.csv.DONE",
        "Log of extract",
        run.run_id,
    ):
        assert expected in shown
    assert [task["task_id"] for task in described(ann, run)["run"]["tasks"]] == [
        "extract",
        "format",
        "upload",
        "success_file",
    ]


def described(user: TestClient, run: Any) -> Any:
    return user.get("/persado/api/delivery", params={"dag_id": run.dag_id, "run_id": run.run_id}).json()


def test_a_failed_try_is_shown_with_its_error(project: Project, ann: TestClient) -> None:
    project.inbox.rmdir()
    run = deliver(project, "failing")
    (entry,) = described(ann, run)["entries"]
    assert (entry["outcome"], entry["stage"], entry["error"]) == ("failed", "upload", "RejectedError")
    assert "there is no such folder" in ann.get("/persado/deliveries", params={"q": "NO SUCH FOLDER"}).text
    project.inbox.mkdir()


def test_what_others_wrote_cannot_become_markup(project: Project, ann: TestClient) -> None:
    evil = '<script>alert("x")</script>'
    deliver(project, "evil", template={"columns": [{"name": "missing"}]})
    for page in PAGES:
        assert evil not in ann.get(f"/persado/{page}", params={"q": evil, "dag_id": evil}).text
    answer = ann.get("/persado/deliveries")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_every_url_is_relative_and_no_other_host_is_named(project: Project, ann: TestClient) -> None:
    run = deliver(project, "relative")
    delivery = f"delivery?dag_id=relative&run_id={run.run_id}".replace("+", "%2B")
    for page in [*PAGES, delivery]:
        text = ann.get(f"/persado/{page}").text
        urls = re.findall(r'(?:href|src|action)="([^"]*)"', text)
        assert urls
        assert [url for url in urls if re.match(r"/|[a-z]+:", url)] == []


def test_lists_have_pages(project: Project, ann: TestClient) -> None:
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


def test_the_trend_of_an_orchestration(project: Project, ann: TestClient) -> None:
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


def test_counters(project: Project, ann: TestClient) -> None:
    deliver(project, "counted")
    text = ann.get("/persado/metrics").text
    assert 'persado_tries{orchestration="counted",outcome="delivered"} 1\n' in text
    assert 'persado_last_delivery_rows{orchestration="counted"} 2\n' in text
    assert 'persado_last_delivery_bytes{orchestration="counted"} 6\n' in text


def test_the_counters_of_an_orchestration_that_changed_its_destination(project: Project, ann: TestClient) -> None:
    deliver(project, "moved")
    other = {"connection": "site", "settings": {"remote_folder": "/inbox", **SETTINGS}}
    project.write("destinations/other.yaml", yaml.safe_dump(other))
    project.write("data_templates/moved_template.yaml", "destination: other\n")
    project.run("moved")
    lines = [line for line in ann.get("/persado/metrics").text.splitlines() if '"moved"' in line]
    assert 'persado_tries{orchestration="moved",outcome="delivered"} 2' in lines
    assert len({line.partition("} ")[0] for line in lines}) == len(lines)


def test_of_a_long_ledger_only_the_page_is_read(
    project: Project, ann: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from persado.web import listing

    deliver(project, "long")
    begin = datetime(2021, 3, 4, tzinfo=UTC)
    read: list[str] = []
    copy_records("long", [begin + timedelta(minutes=number) for number in range(300)])

    def noted(key: str, value: str) -> Any:
        read.append(key)
        return read_record(key, value)

    monkeypatch.setattr(listing, "read_record", noted)

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


def test_a_killed_try_is_among_the_others(project: Project, ann: TestClient) -> None:
    from persado.ledger.writer import RUNNING

    run = deliver(project, "killed")
    begin = datetime(2022, 3, 4, tzinfo=UTC)
    copy_records("killed", [begin + timedelta(minutes=number) for number in range(0, 20, 2)])
    at = begin + timedelta(minutes=9)
    told = {"stage": "upload", "try_number": 3, "error": "Killed", "message": "it was killed", "reason": None}
    shared = {"outcome": "failed", "delivery_id": None, "dag_id": "killed", "run_id": run.run_id, "triggered_by": "ann"}
    copy_record("killed", RUNNING, {**shared, **told, "finished": at.isoformat()})

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
    """Write the one record of a DAG again, as of other moments."""
    for moment in moments:
        copy_record(dag_id, f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}_copy", {"finished": moment.isoformat()})


def copy_record(dag_id: str, key: str, changes: dict[str, Any]) -> None:
    """Write a record like a DAG's newest one; changes that tell an outcome are the whole record."""
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
        kept = {name: getattr(record, name) for name in columns}
        session.add(AssetStateStoreModel(**{**kept, "key": key, "value": json.dumps(value)}))


def test_who_may_read_one_dag_sees_nothing_of_the_others(project: Project, server: TestClient) -> None:
    mine, theirs = deliver(project, "mine"), deliver(project, "theirs")
    for name in ("mine_wrong", "theirs_wrong"):
        project.describe(name, "SELECT 1", settings=SETTINGS, no_such_key=1)
    project.write("destinations/theirs_too.yaml", "{connection: site, no_such_key: 1}")
    user = logged_in(server, "reads_mine")
    delivery = f"delivery?dag_id=mine&run_id={mine.run_id}".replace("+", "%2B")
    shown = {path: user.get(f"/persado/{path}") for path in (*PAGES, *APIS, "metrics", delivery, f"api/{delivery}")}
    assert [(path, answer.status_code) for path, answer in shown.items() if answer.status_code != 200] == []
    assert [path for path, answer in shown.items() if "theirs" in answer.text] == []
    for path in ("deliveries", "trends", "api/deliveries", "api/trends", "metrics"):
        assert "mine" in shown[path].text

    guessed = {"dag_id": "theirs", "run_id": theirs.run_id}
    for path in ("delivery", "api/delivery"):
        assert user.get(f"/persado/{path}", params=guessed).status_code == 404
    assert user.get("/persado/api/deliveries", params={"dag_id": "theirs"}).json()["total"] == 0
    assert user.get("/persado/api/trends", params={"dag_id": "theirs"}).json() == []
    assert theirs.run_id not in user.get("/persado/deliveries", params={"dag_id": "theirs"}).text

    # A mistake is told to whoever may read the orchestration that it is in.
    (error,) = logged_in(server, "reads_mine_wrong").get("/persado/api/configuration").json()["errors"]
    assert error.startswith("orchestrations/mine_wrong.yaml:")
    everything = logged_in(server, "ann").get("/persado/api/configuration").text
    assert all(name in everything for name in ("mine_wrong", "theirs_wrong", "theirs_too"))


def test_no_proxy_or_browser_keeps_what_is_shown(ann: TestClient, server: TestClient) -> None:
    for path in (*PAGES, *APIS, "metrics", "nothing", "deliveries?page=x"):
        for user in (ann, server):
            assert user.get(f"/persado/{path}").headers["cache-control"] == "no-store"


def test_a_wrong_address_is_told_to_people_as_a_page(ann: TestClient) -> None:
    answer = ann.get("/persado/deliveries", params={"page": "x"}, headers={"Accept": "text/html"})
    assert answer.status_code == 422
    assert "<h1>That did not work</h1>" in answer.text
    assert "query page: Input should be a valid integer" in answer.text
    assert "query page" in ann.get("/persado/api/deliveries", params={"page": "x"}).json()["detail"]


def test_mistakes_in_the_configuration(project: Project, ann: TestClient) -> None:
    project.describe("wrong", "SELECT 1", settings=SETTINGS, no_such_key=1)
    (error,) = ann.get("/persado/api/configuration").json()["errors"]
    assert "orchestrations/wrong.yaml" in error
    assert "orchestrations/wrong.yaml" in ann.get("/persado/configuration").text


def test_a_run_that_is_not_there(ann: TestClient) -> None:
    answer = ann.get("/persado/delivery", params={"dag_id": "no", "run_id": "no"}, headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "or you may not read it" in answer.text


def test_the_plugin_is_in_the_navigation(ann: TestClient) -> None:
    plugins = ann.get("/api/v2/plugins").json()["plugins"]
    (plugin,) = [plugin for plugin in plugins if plugin["name"] == "persado"]
    (view,) = plugin["external_views"]
    assert (view["destination"], view["category"], view["url_route"]) == ("nav", "browse", "persado-deliveries")
    assert ann.get(f"/{view['href']}").status_code == 200
    assert json.loads(ann.get("/api/v2/plugins/importErrors").text)["total_entries"] == 0


def test_tasks_link_to_their_delivery(project: Project, ann: TestClient) -> None:
    run = deliver(project, "linked")
    path = f"/api/v2/dags/linked/dagRuns/{run.run_id}/taskInstances/upload/links".replace("+", "%2B")
    (link,) = ann.get(path).json()["extra_links"].values()
    assert link.startswith("/plugin/persado-deliveries/persado/delivery?dag_id=linked&run_id=")
    assert ann.get(link.removeprefix("/plugin/persado-deliveries")).status_code == 200


def test_the_link_leads_below_the_path_of_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.models.taskinstancekey import TaskInstanceKey

    from persado.web.links import DeliveryLink

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/team/a/")
    key: Any = TaskInstanceKey("a dag", "upload", "manual__2026-01-01T00:00:00+00:00")
    expected = "delivery?dag_id=a+dag&run_id=manual__2026-01-01T00%3A00%3A00%2B00%3A00"
    assert DeliveryLink().get_link(None, ti_key=key) == f"/team/a/plugin/persado-deliveries/team/a/persado/{expected}"  # type: ignore[arg-type]  # not looked at
