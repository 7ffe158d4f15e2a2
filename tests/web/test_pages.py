"""The deliveries page and its API, as the API server serves them: contents, links and errors."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.airflow.pages import PAGES, SETTINGS, deliver, fetch_delivery
from support.airflow.runs import Project

pytestmark = pytest.mark.xdist_group("web")


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
    assert [task["task_id"] for task in fetch_delivery(ann, run)["run"]["tasks"]] == [
        "extract",
        "format",
        "upload",
        "success_file",
    ]


def test_a_failed_try_is_shown_with_its_error(project: Project, ann: TestClient) -> None:
    project.inbox.rmdir()
    run = deliver(project, "failing")
    (entry,) = fetch_delivery(ann, run)["entries"]
    assert (entry["outcome"], entry["stage"], entry["error"]) == ("failed", "upload", "RejectedError")
    assert "there is no such folder" in ann.get("/persado/deliveries", params={"q": "NO SUCH FOLDER"}).text
    project.inbox.mkdir()


def test_foreign_text_is_escaped(project: Project, ann: TestClient) -> None:
    evil = '<script>alert("x")</script>'
    deliver(project, "evil", template={"columns": [{"name": "missing"}]})
    for page in PAGES:
        assert evil not in ann.get(f"/persado/{page}", params={"q": evil, "dag_id": evil}).text
    answer = ann.get("/persado/deliveries")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_every_url_is_relative_and_names_no_host(project: Project, ann: TestClient) -> None:
    run = deliver(project, "relative")
    delivery = f"delivery?dag_id=relative&run_id={run.run_id}".replace("+", "%2B")
    for page in [*PAGES, delivery]:
        text = ann.get(f"/persado/{page}").text
        urls = re.findall(r'(?:href|src|action)="([^"]*)"', text)
        assert urls
        assert [url for url in urls if re.match(r"/|[a-z]+:", url)] == []


def test_browsers_get_an_error_page_for_an_invalid_query(ann: TestClient) -> None:
    answer = ann.get("/persado/deliveries", params={"page": "x"}, headers={"Accept": "text/html"})
    assert answer.status_code == 422
    assert "<h1>That did not work</h1>" in answer.text
    assert "query page: Input should be a valid integer" in answer.text
    assert "query page" in ann.get("/persado/api/deliveries", params={"page": "x"}).json()["detail"]


def test_mistakes_in_the_configuration_are_shown(project: Project, ann: TestClient) -> None:
    project.describe("wrong", "SELECT 1", settings=SETTINGS, no_such_key=1)
    (error,) = ann.get("/persado/api/configuration").json()["errors"]
    assert "orchestrations/wrong.yaml" in error
    assert "orchestrations/wrong.yaml" in ann.get("/persado/configuration").text


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


def test_the_link_includes_the_base_path_of_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.models.taskinstancekey import TaskInstanceKey

    from persado.entrypoints.delivery_link import DeliveryLink

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/team/a/")
    key: Any = TaskInstanceKey("a dag", "upload", "manual__2026-01-01T00:00:00+00:00")
    expected = "delivery?dag_id=a+dag&run_id=manual__2026-01-01T00%3A00%3A00%2B00%3A00"
    assert DeliveryLink().get_link(None, ti_key=key) == f"/team/a/plugin/persado-deliveries/team/a/persado/{expected}"  # type: ignore[arg-type]  # not used
