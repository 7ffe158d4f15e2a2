"""Helpers for the tests of the deliveries page and its API: paths, users who are logged in, and deliveries."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient
from support.airflow.runs import Project

SETTINGS = {"filename_template": "out.csv"}
PAGES = ["deliveries", "trends", "configuration"]
APIS = ["api/deliveries", "api/trends", "api/configuration"]


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


def fetch_delivery(user: TestClient, run: Any) -> Any:
    return user.get("/persado/api/delivery", params={"dag_id": run.dag_id, "run_id": run.run_id}).json()
