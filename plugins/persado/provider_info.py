"""What Airflow's provider discovery reads; loaded in every Airflow process, so standard library only."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Declare the connection type `persado` and the options of the `[persado]` section."""
    return {"package-name": "persado-airflow", "name": "Persado", "description": "Query results to Persado over SFTP."}
