"""What people write in YAML: models, loading with inheritance, and errors that say where and what to do."""

from persado.settings.columns import Column
from persado.settings.contract import Contract, ContractColumn
from persado.settings.delivery import Delivery
from persado.settings.file_settings import OrchestrationSettings, Settings, SettingsLayer
from persado.settings.guards import ChangeGuard, RowGuards
from persado.settings.loader import Configuration, load
from persado.settings.models import Access, DataTemplate, Destination, Orchestration
from persado.settings.pgp_key import AirflowConnection, AirflowVariable
from persado.settings.setting_values import Split
from persado.settings.workflow import Scheduled, WhenChanged

__all__ = [
    "Access",
    "AirflowConnection",
    "AirflowVariable",
    "ChangeGuard",
    "Column",
    "Configuration",
    "Contract",
    "ContractColumn",
    "DataTemplate",
    "Delivery",
    "Destination",
    "Orchestration",
    "OrchestrationSettings",
    "RowGuards",
    "Scheduled",
    "Settings",
    "SettingsLayer",
    "Split",
    "WhenChanged",
    "load",
]
