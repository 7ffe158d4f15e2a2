"""A destination: a site and its default settings."""

from __future__ import annotations

from pydantic import Field

from persado.settings.fields import ConnectionId, OneLine, Strict
from persado.settings.models.access import Access
from persado.settings.models.alerts import Alerts
from persado.settings.models.file_settings import SettingsLayer


class Destination(Strict):
    """A site, its connection, and the default settings of what is sent there."""

    description: str = Field(
        default="", description="What the destination is for.", examples=["Sends query results to Persado"]
    )
    connection: ConnectionId = Field(
        description="Airflow connection of type `persado` or `sftp`.", examples=["persado_default"]
    )
    settings: SettingsLayer = Field(
        default_factory=SettingsLayer,
        description="Default settings of every delivery.",
        examples=[{"encoding": "gzip"}],
    )
    access: Access = Field(
        default_factory=Access, description="Who else may send.", examples=[{"business_users": True}]
    )
    pool: OneLine | None = Field(
        default=None,
        description="Airflow pool of the tasks that connect to the site. It limits how many do so at once.",
        examples=["persado_site"],
    )
    alerts: Alerts = Field(
        default=(),
        description="Alerts about deliveries.",
        examples=[[{"connection": "smtp_default", "to": ["crm-team@example.com"]}]],
    )
