"""The YAML configuration: models, loading with inheritance, and errors with file, line and advice."""

from persado.settings.delivery import Delivery
from persado.settings.loader import Configuration, load
from persado.settings.models.access import Access
from persado.settings.models.columns import Column
from persado.settings.models.contract import Contract, ContractColumn
from persado.settings.models.data_template import DataTemplate
from persado.settings.models.destination import Destination
from persado.settings.models.effective import Settings
from persado.settings.models.file_settings import OrchestrationSettings, SettingsLayer
from persado.settings.models.guards import ChangeGuard, RowGuards
from persado.settings.models.orchestration import Orchestration
from persado.settings.models.setting_values import AirflowConnection, AirflowVariable, Split
from persado.settings.models.workflow import Scheduled, WhenChanged

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
