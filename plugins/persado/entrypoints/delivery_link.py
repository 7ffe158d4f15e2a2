"""The link from each task of a delivery to the delivery's page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

PREFIX = "persado"
"""The path of the page's application, below Airflow's own path."""

ROUTE = "persado-deliveries"
"""The path of the page within Airflow's UI, below ``plugin/``."""


class DeliveryLink(BaseOperatorLink):
    """A link from a task to the delivery of its run."""

    name = "Persado delivery"

    @property
    def operators(self) -> list[type[BaseOperator]]:  # type: ignore[override]  # used in the API server only
        """The operators that the DAG factory uses for a delivery's tasks."""
        from persado.dag import factory
        from persado.operators import PersadoOperator

        used = vars(factory).values()
        return [kind for kind in used if isinstance(kind, type) and issubclass(kind, PersadoOperator)]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address of the delivery's page, inside Airflow's navigation."""
        # Under plugin/<route>/ the UI embeds the page at the path that follows.
        base = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
        query = urlencode({"dag_id": ti_key.dag_id, "run_id": ti_key.run_id})
        return f"{base}/plugin/{ROUTE}{base}/{PREFIX}/delivery?{query}"
