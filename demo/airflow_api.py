"""The few calls to Airflow's REST API that the demo needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

TIME_OUT = 180.0


def http_client(url: str, **options: Any) -> httpx.Client:
    """
    Give a client of an Airflow on this machine.

    :param url: where the API server is
    :param options: further ones of :class:`httpx.Client`
    """
    # A connection for each request: the API server closes one without a word when it fails after the answer, as it
    # does where SQLite is busy at the last commit, and the next request on it would be reset.
    # No proxy for this machine's own address, whatever the environment says.
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=url, timeout=TIME_OUT, trust_env=False, limits=limits, **options)


class AirflowAPI:
    """
    Airflow's REST API, version 2, as one user.

    :param url: where the API server is
    :param user: the user's name
    :param password: the user's password
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self._client = http_client(url)
        self._credentials = {"username": user, "password": password}

    def is_healthy(self, *parts: str) -> bool:
        """Tell whether the API server answers and the named parts of Airflow have given a sign of life."""
        try:
            health = self._client.get("/api/v2/monitor/health").json()
        except (httpx.TransportError, ValueError):
            return False
        return all((health.get(part) or {}).get("status") == "healthy" for part in parts)

    def warm_up(self) -> None:
        """Let the API for tasks get ready, which takes seconds; the first task would wait for it, and time out."""
        self._client.get("/execution/health").raise_for_status()

    def log_in(self) -> None:
        """Get the token for all further calls."""
        token = self._read(self._client.post("/auth/token", json=self._credentials))["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"

    def dag(self, dag_id: str) -> Mapping[str, Any] | None:
        """Describe a DAG; None while Airflow does not know it."""
        response = self._client.get(f"/api/v2/dags/{quote(dag_id)}")
        found: Mapping[str, Any] | None = (
            None if response.status_code == httpx.codes.NOT_FOUND else self._read(response)
        )
        return found

    def import_errors(self) -> list[Mapping[str, Any]]:
        """List the DAG files that Airflow could not load."""
        return list(self._get("/api/v2/importErrors")["import_errors"])

    def trigger(self, dag_id: str, **body: Any) -> Mapping[str, Any]:
        """Start a run of a DAG, and let the DAG run."""
        run: Mapping[str, Any] = self._read(self._client.post(f"/api/v2/dags/{quote(dag_id)}/dagRuns", json=body))
        self._read(self._client.patch(f"/api/v2/dags/{quote(dag_id)}", json={"is_paused": False}))
        return run

    def run(self, dag_id: str, run_id: str) -> Mapping[str, Any]:
        """Describe a run."""
        run: Mapping[str, Any] = self._get(run_path(dag_id, run_id))
        return run

    def tasks(self, dag_id: str, run_id: str) -> list[Mapping[str, Any]]:
        """List a run's task instances."""
        return list(self._get(f"{run_path(dag_id, run_id)}/taskInstances")["task_instances"])

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Give what a task has returned; None if nothing."""
        path = f"{run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/xcomEntries/return_value"
        response = self._client.get(path, params={"deserialize": True})
        return None if response.status_code == httpx.codes.NOT_FOUND else self._read(response)["value"]

    def asset_events(self, dag_id: str, run_id: str) -> list[Mapping[str, Any]]:
        """List the asset events that a run has emitted."""
        parameters = {"source_dag_id": dag_id, "source_run_id": run_id}
        return list(self._get("/api/v2/assets/events", parameters)["asset_events"])

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        return self._read(self._client.get(path, params=parameters))

    def _read(self, response: httpx.Response) -> Any:
        if response.is_error:
            raise RuntimeError(
                f"Airflow answered {response.status_code} to {response.request.method} {response.request.url.path}: "
                f"{response.text[:500]}"
            )
        return response.json()


def run_path(dag_id: str, run_id: str) -> str:
    """Give the path of a run; run ids hold `:` and `+`."""
    return f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"
