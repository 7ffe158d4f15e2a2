"""A delivery: an orchestration with everything that it inherits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from persado.settings.models.access import Access
from persado.settings.models.alerts import Alert
from persado.settings.models.contract import Contract
from persado.settings.models.data_template import DataTemplate
from persado.settings.models.destination import Destination
from persado.settings.models.effective import Settings
from persado.settings.models.orchestration import Orchestration


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """
    What is sent, where, when and how. Everything in it has been checked.

    :param name: the orchestration's name, which is also the DAG id
    :param settings: the effective settings
    :param origins: where each setting's value comes from: ``destinations/persado.yaml:7`` or ``default``
    :param access: what destination and data template both allow
    :param config_dir: the configuration folder
    :param places: the same as ``origins``, for the keys outside ``settings:``
    """

    name: str
    orchestration: Orchestration
    data_template_name: str
    data_template: DataTemplate
    destination_name: str
    destination: Destination
    settings: Settings
    origins: Mapping[str, str]
    access: Access
    contract: Contract | None
    config_dir: Path
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_pii(self) -> bool:
        """Whether a column is marked as personal data."""
        return any(column.pii for column in self.data_template.columns or ())

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The orchestration's alerts, or the destination's if it has none."""
        own = self.orchestration.alerts
        return self.destination.alerts if own is None else own

    @property
    def asset(self) -> str:
        """The URI of the asset, which is also its name."""
        return f"persado://{self.destination_name}/{self.name}"

    @property
    def query_file(self) -> Path:
        """The SQL file."""
        return self.config_dir / "queries" / self.orchestration.query

    @property
    def public_key_file(self) -> Path | None:
        """The file of the OpenPGP public key; None without encryption, or if Airflow holds the key."""
        key = self.settings.pgp_public_key
        return self.config_dir / "keys" / key if isinstance(key, str) else None
