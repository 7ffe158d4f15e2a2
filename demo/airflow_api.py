"""The few calls to Airflow's REST API that the demo needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

TIME_OUT = 180.0


def http_client(url: str, **options: Any) -> httpx.Client:
    """
    Return a client for an Airflow on this machine.

    :param options: further arguments of :class:`httpx.Client`
    """
    # One connection per request: the API server silently closes a connection if it fails after the response, as it
    # does when SQLite is busy at the last commit, and the next request on it would be reset.
    # trust_env=False: no proxy for this machine's own address.
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=url, timeout=TIME_OUT, trust_env=False, limits=limits, **options)


class AirflowAPI:
    """Airflow's REST API, version 2, as one user."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._client = http_client(url)
        self._credentials = {"username": user, "password": password}

    def is_healthy(self, *parts: str) -> bool:
        """Return whether the API server answers and reports the named components as healthy."""
        try:
            health = self._client.get("/api/v2/monitor/health").json()
        except (httpx.TransportError, ValueError):
            return False
        return all((health.get(part) or {}).get("status") == "healthy" for part in parts)

    def warm_up(self) -> None:
        """Load the API for tasks. That takes seconds, and the first task would time out waiting for it."""
        self._client.get("/execution/health").raise_for_status()

    def log_in(self) -> None:
        """Fetch the token for all further calls."""
        token = self._read(self._client.post("/auth/token", json=self._credentials))["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"

    def dag(self, dag_id: str) -> Mapping[str, Any] | None:
        """Return a DAG; None while Airflow does not know it."""
        response = self._client.get(f"/api/v2/dags/{quote(dag_id)}")
        return None if response.status_code == httpx.codes.NOT_FOUND else self._read(response)

    def import_errors(self) -> list[Mapping[str, Any]]:
        """List the DAG files that Airflow could not load."""
        return list(self._get("/api/v2/importErrors")["import_errors"])

    def trigger(self, dag_id: str, **body: Any) -> Mapping[str, Any]:
        """Create a run of a DAG, and unpause the DAG."""
        run: Mapping[str, Any] = self._read(self._client.post(f"/api/v2/dags/{quote(dag_id)}/dagRuns", json=body))
        self._read(self._client.patch(f"/api/v2/dags/{quote(dag_id)}", json={"is_paused": False}))
        return run

    def run(self, dag_id: str, run_id: str) -> Mapping[str, Any]:
        """Return a run."""
        run: Mapping[str, Any] = self._get(run_path(dag_id, run_id))
        return run

    def tasks(self, dag_id: str, run_id: str) -> list[Mapping[str, Any]]:
        """List a run's task instances."""
        return list(self._get(f"{run_path(dag_id, run_id)}/taskInstances")["task_instances"])

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Return a task's return value; None if there is none."""
        path = f"{run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/xcomEntries/return_value"
        response = self._client.get(path, params={"deserialize": True})
        return None if response.status_code == httpx.codes.NOT_FOUND else self._read(response)["value"]

    def asset_events(self, dag_id: str, run_id: str) -> list[Mapping[str, Any]]:
        """List the asset events that a run has emitted."""
        parameters = {"source_dag_id": dag_id, "source_run_id": run_id}
        return list(self._get("/api/v2/assets/events", parameters)["asset_events"])

    def close(self) -> None:
        """Close the client."""
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
    """Return the URL path of a run; run ids contain `:` and `+`."""
    return f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"
