"""The plugin by which the scheduler vouches for runs."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from persado.entrypoints import run_listener


class PersadoAccessPlugin(AirflowPlugin):
    """Listens for runs that start."""

    name = "persado_access"
    listeners: list[Any] = [run_listener]  # noqa: RUF012 - declared so by Airflow
