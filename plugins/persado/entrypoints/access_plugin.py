"""The plugin with the listener that finds out who started a run."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from persado.entrypoints import run_listener


class PersadoAccessPlugin(AirflowPlugin):
    """Registers the listener for runs that start."""

    name = "persado_access"
    listeners: list[Any] = [run_listener]  # noqa: RUF012 - as declared by Airflow
