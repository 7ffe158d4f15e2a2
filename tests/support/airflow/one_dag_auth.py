"""An auth manager of the kind that a house writes for itself: some users may read some DAGs only."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class OneDagAuthManager(SimpleAuthManager):
    """Airflow's simple one, but who is called ``reads_<dag_id>`` may read that DAG and no other."""

    def is_authorized_dag(
        self,
        *,
        method: Any,
        user: Any,
        access_entity: DagAccessEntity | None = None,
        details: DagDetails | None = None,
    ) -> bool:
        """Refuse the other DAGs, be they there or not."""
        only = user.get_name().partition("reads_")[2]
        refused = only and details and details.id not in (None, only)
        return not refused and super().is_authorized_dag(
            method=method, user=user, access_entity=access_entity, details=details
        )
