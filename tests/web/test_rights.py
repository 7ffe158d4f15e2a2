"""Who may read the deliveries page and its API, and that other users see nothing of it."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from support.airflow.pages import APIS, PAGES, SETTINGS, deliver, logged_in
from support.airflow.runs import Project

pytestmark = pytest.mark.xdist_group("web")


@pytest.mark.parametrize("path", [*PAGES, "delivery", "static/page.css", "api/deliveries", "metrics", "", "nothing"])
def test_every_path_requires_a_login(server: TestClient, path: str) -> None:
    answer = server.get(f"/persado/{path}", headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert "log in" in answer.text
    assert server.get(f"/persado/{path}").json() == {"detail": "Not authenticated"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_methods_that_change_something_are_refused(ann: TestClient, method: str) -> None:
    assert ann.request(method, "/persado/deliveries").status_code == 405


def test_a_user_who_may_read_one_dag_sees_nothing_of_the_others(project: Project, server: TestClient) -> None:
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

    # A mistake is shown to users who may read the orchestration that contains it.
    (error,) = logged_in(server, "reads_mine_wrong").get("/persado/api/configuration").json()["errors"]
    assert error.startswith("orchestrations/mine_wrong.yaml:")
    everything = logged_in(server, "ann").get("/persado/api/configuration").text
    assert all(name in everything for name in ("mine_wrong", "theirs_wrong", "theirs_too"))


def test_responses_are_never_cached(ann: TestClient, server: TestClient) -> None:
    for path in (*PAGES, *APIS, "metrics", "nothing", "deliveries?page=x"):
        for user in (ann, server):
            assert user.get(f"/persado/{path}").headers["cache-control"] == "no-store"


def test_an_unknown_run_is_not_found(ann: TestClient) -> None:
    answer = ann.get("/persado/delivery", params={"dag_id": "no", "run_id": "no"}, headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "or you may not read it" in answer.text
