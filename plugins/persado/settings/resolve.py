"""Inheritance, key by key: destination, then data template, then orchestration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from persado.errors import ConfigurationError
from persado.settings.checks.references import mistakes
from persado.settings.delivery import Delivery
from persado.settings.files.folder import Written
from persado.settings.models.access import Access
from persado.settings.models.conflicts import conflicts
from persado.settings.models.contract import Contract
from persado.settings.models.data_template import DataTemplate
from persado.settings.models.destination import Destination
from persado.settings.models.effective import Settings
from persado.settings.models.file_settings import SettingsLayer
from persado.settings.models.orchestration import Orchestration
from persado.settings.text.problems import at
from persado.settings.text.yaml_text import Source


def resolve(
    orchestration: Written[Orchestration],
    data_template: Written[DataTemplate],
    destination: Written[Destination],
    *,
    contract: Contract | None,
    config_dir: Path,
) -> Delivery | list[ConfigurationError]:
    """
    Merge the three levels and check that they fit together.

    :param contract: the column contract that the data template names
    :return: the delivery, or every mistake, each at the line that completes it
    """
    merged = _merge(orchestration, data_template, destination)
    if wrong := list(_contradictions(merged, orchestration.source)):
        return wrong
    delivery = Delivery(
        name=orchestration.name,
        orchestration=orchestration.model,
        data_template_name=data_template.name,
        data_template=data_template.model,
        destination_name=destination.name,
        destination=destination.model,
        settings=Settings(**{key: item.value for key, item in merged.items()}),
        origins={key: merged[key].place if key in merged else "default" for key in Settings.model_fields},
        access=_both(destination.model.access, data_template.model.access),
        contract=contract,
        config_dir=config_dir,
        places=_places(orchestration.source, data_template.source, destination.source),
    )
    return list(mistakes(delivery, orchestration.source, data_template.source)) or delivery


@dataclass(frozen=True)
class _Set:
    value: Any
    level: int
    line: int
    source: Source

    @property
    def place(self) -> str:
        return f"{self.source.file}:{self.line}"


def _merge(
    orchestration: Written[Orchestration], data_template: Written[DataTemplate], destination: Written[Destination]
) -> dict[str, _Set]:
    merged: dict[str, _Set] = {}
    levels = (destination.model.settings, data_template.model.settings, orchestration.model.settings)
    sources = (destination.source, data_template.source, orchestration.source)
    for level, (settings, source) in enumerate(zip(levels, sources, strict=True)):
        for key in settings.model_fields_set:
            merged[key] = _Set(getattr(settings, key), level, source.line(("settings", key)), source)
    return merged


def _places(orchestration: Source, data_template: Source, destination: Source) -> dict[str, str]:
    """Return where each key outside ``settings:`` is set. If several levels set a key, the nearest one counts."""
    places: dict[str, str] = {}
    for source in (destination, data_template, orchestration):
        for key, value in source.data.items():
            place = f"{source.file}:{source.line((key,))}"
            if key == "access":  # both levels must allow it
                places[key] = f"{places[key]} and {place}" if key in places else place
            elif key != "settings" and value is not None:
                places[key] = place
    return places


def _contradictions(merged: dict[str, _Set], orchestration: Source) -> Iterator[ConfigurationError]:
    if "filename_template" not in merged:
        yield at(
            orchestration,
            (),
            "settings.filename_template is set neither here nor in the data template or the destination. Add it to one"
            " of them, such as filename_template: \"segment_{{now|format:'yyyy-MM-dd'}}.csv\".",
        )
    layer = SettingsLayer().model_copy(update={key: item.value for key, item in merged.items()})
    for conflict in conflicts(layer):
        # Report the conflict at the value that completes it: the nearest level, then the lower line.
        last = max(
            (key for key in conflict.keys if key in merged), key=lambda key: (merged[key].level, merged[key].line)
        )
        yield at(merged[last].source, ("settings", last), conflict.message)


def _both(one: Access, other: Access) -> Access:
    return Access(
        business_users=one.business_users and other.business_users, limited_pii=one.limited_pii and other.limited_pii
    )
