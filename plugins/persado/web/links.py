"""The link on each task of a delivery to the delivery's page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

PREFIX = "persado"
"""The path of the page, below that of Airflow."""

ROUTE = "persado-deliveries"
"""The path of the page within Airflow's UI, below ``plugin/``."""


class DeliveryLink(BaseOperatorLink):
    """Lead from a task to what is known of its run's delivery."""

    name = "Persado delivery"

    @property
    def operators(self) -> list[type[BaseOperator]]:  # type: ignore[override]  # asked for in the API server only
        """The operators of a delivery's tasks."""
        from persado.dag import factory as dag_factory
        from persado.operators import PersadoOperator

        used = vars(dag_factory).values()
        return [kind for kind in used if isinstance(kind, type) and issubclass(kind, PersadoOperator)]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """
        Give the address of the page, with Airflow's navigation around it.

        :param operator: the task's operator
        :param ti_key: which task of which run
        """
        # The UI shows below its own path what it finds under the path that follows.
        base = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
        query = urlencode({"dag_id": ti_key.dag_id, "run_id": ti_key.run_id})
        return f"{base}/plugin/{ROUTE}{base}/{PREFIX}/delivery?{query}"
