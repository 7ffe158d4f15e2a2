"""The deliveries page and its API, as the API server serves them: who may look, and what they see."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from support.airflow_runs import Project, airflow_database, project

pytestmark = pytest.mark.xdist_group("web")

__all__ = ["airflow_database", "project"]

SETTINGS = {"filename_template": "out.csv"}
PAGES = ["deliveries", "trends", "configuration"]


@pytest.fixture(scope="module")
def airflow(airflow_database: None) -> Iterator[Any]:
    """Airflow's API server with the plugin."""
    from airflow.api_fastapi.app import create_app, purge_cached_app

    with pytest.MonkeyPatch.context() as env:
        env.setenv("AIRFLOW__CORE__AUTH_MANAGER", SIMPLE)
        env.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "ann:viewer")
        env.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "0123456789" * 7)
        purge_cached_app()
        yield create_app("core")
        purge_cached_app()


@pytest.fixture
def server(airflow: Any) -> TestClient:
    """Nobody in particular, in front of the API server."""
    return TestClient(airflow, follow_redirects=False)


SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"


@pytest.fixture
def ann(server: TestClient) -> TestClient:
    """Ann, who may read everything."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="ann", role="viewer"))
    server.headers["Authorization"] = f"Bearer {token}"
    return server


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


def test_counters(project: Project, ann: TestClient) -> None:
    deliver(project, "counted")
    text = ann.get("/persado/metrics").text
    assert 'persado_tries{orchestration="counted",outcome="delivered"} 1\n' in text
    assert 'persado_rows_delivered{orchestration="counted"} 2\n' in text


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
