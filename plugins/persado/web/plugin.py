"""
The plugin: a page in Airflow's navigation, and links to it on the tasks.

It is loaded in every Airflow process, each task's too; what only the API server needs is imported there, when it is
asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.plugins_manager import AirflowPlugin

from persado.web.links import PREFIX, ROUTE, DeliveryLink

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class DeliveriesApp:
    """The application behind the page, made at the first request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on."""
        from persado.web.app import app

        await app(scope, receive, send)


APPS = [{"app": DeliveriesApp(), "url_prefix": f"/{PREFIX}", "name": "Persado deliveries"}]

LINKS = [DeliveryLink()]

VIEWS = [
    {
        "name": "Persado deliveries",
        # Relative: Airflow may be served below a path.
        "href": f"{PREFIX}/deliveries",
        "destination": "nav",
        "category": "browse",
        "url_route": ROUTE,
    }
]


class PersadoPlugin(AirflowPlugin):
    """What is added to Airflow's UI."""

    name = "persado"
    fastapi_apps = APPS
    external_views = VIEWS
    operator_extra_links = LINKS
