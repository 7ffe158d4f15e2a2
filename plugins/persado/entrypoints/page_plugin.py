"""
The plugin: a page in Airflow's navigation, and links to it from the tasks.

Every Airflow process loads it, each task's too. What only the API server needs is therefore imported at the first
request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.plugins_manager import AirflowPlugin

from persado.entrypoints.delivery_link import PREFIX, ROUTE, DeliveryLink

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class DeliveriesApp:
    """The page's application, imported at the first request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        from persado.web.app import app

        await app(scope, receive, send)


APPS = [{"app": DeliveriesApp(), "url_prefix": f"/{PREFIX}", "name": "Persado deliveries"}]

LINKS = [DeliveryLink()]

VIEWS = [
    {
        "name": "Persado deliveries",
        # Relative, because Airflow may be served below a path.
        "href": f"{PREFIX}/deliveries",
        "destination": "nav",
        "category": "browse",
        "url_route": ROUTE,
    }
]


class PersadoPlugin(AirflowPlugin):
    """The page and the links in Airflow's UI."""

    name = "persado"
    fastapi_apps = APPS
    external_views = VIEWS
    operator_extra_links = LINKS
