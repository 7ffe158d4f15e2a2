"""A custom auth manager, as a company might write it: some users may read only one DAG."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class OneDagAuthManager(SimpleAuthManager):
    """Airflow's simple auth manager, but a user named ``reads_<dag_id>`` may read only that DAG."""

    def is_authorized_dag(
        self,
        *,
        method: Any,
        user: Any,
        access_entity: DagAccessEntity | None = None,
        details: DagDetails | None = None,
    ) -> bool:
        """Refuse the other DAGs, whether they exist or not."""
        only = user.get_name().partition("reads_")[2]
        refused = only and details and details.id not in (None, only)
        return not refused and super().is_authorized_dag(
            method=method, user=user, access_entity=access_entity, details=details
        )
