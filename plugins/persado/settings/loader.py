"""Loads a whole folder of configuration: every delivery that is right, and every mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from persado.errors import ConfigurationError
from persado.settings.chains import circle
from persado.settings.contract import BUILT_IN, Contract
from persado.settings.delivery import Delivery
from persado.settings.folder import Folder, Written, read_folder
from persado.settings.models import DataTemplate, Destination, Orchestration
from persado.settings.problems import at, did_you_mean
from persado.settings.resolve import resolve
from persado.settings.spelling import closest
from persado.settings.yaml_text import Source

FOLDERS = ("destinations", "data_templates", "orchestrations", "queries", "keys", "contracts", "schema")


@dataclass(frozen=True)
class Configuration:
    """
    What a folder of configuration says.

    :param deliveries: the valid deliveries, by name
    :param errors: the mistakes, one line each: ``orchestrations/a.yaml:7: what is wrong and what to do``
    """

    deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    errors: tuple[ConfigurationError, ...] = ()


def load(config_dir: Path) -> Configuration:
    """
    Read and check all files; one that is wrong hides no other.

    Quick, and neither the network nor Airflow is asked, so that it can run whenever Airflow parses the DAGs.

    :param config_dir: the folder that holds ``destinations/``, ``data_templates/`` and so on
    """
    try:
        folders = [path.name for path in config_dir.iterdir() if path.is_dir()]
    except OSError as error:
        text = f"{config_dir}: is no folder that can be read: {error.strerror}. Set AIRFLOW__PERSADO__CONFIG_DIR to it."
        return Configuration(errors=(_one_line(ConfigurationError(text)),))
    files = _Files(config_dir)
    deliveries = files.without_circles({delivery.name: delivery for delivery in files.deliveries()})
    errors = [*_misspelt(folders), *files.errors()]
    return Configuration(deliveries, tuple(_one_line(error) for error in errors))


class _Files:
    """All files of a configuration, and what is wrong with them."""

    def __init__(self, config_dir: Path) -> None:
        self.config_dir = config_dir
        self.destinations = read_folder(config_dir, "destinations", Destination)
        self.contracts = _with_built_in(read_folder(config_dir, "contracts", Contract))
        self.data_templates = read_folder(config_dir, "data_templates", DataTemplate)
        self.orchestrations = read_folder(config_dir, "orchestrations", Orchestration)
        # A mistake at a higher level can stop several orchestrations; it is told once, with their names.
        self.stopping: dict[str, list[str]] = {}
        for template in list(self.data_templates.files.values()):
            self._take_out_if_unusable(template)

    def deliveries(self) -> Iterator[Delivery]:
        """Resolve each orchestration, and note what is wrong with the others."""
        for orchestration in self.orchestrations.files.values():
            template = self._data_template(orchestration)
            resolved = self._resolve(orchestration, template) if template else []
            if isinstance(resolved, Delivery):
                yield resolved
                continue
            for error in resolved:
                if str(error).startswith(f"{orchestration.source.file}:"):
                    self.orchestrations.errors.append(error)
                else:
                    self.stopping.setdefault(str(error), []).append(orchestration.name)

    def without_circles(self, deliveries: Mapping[str, Delivery]) -> dict[str, Delivery]:
        """Leave out those that would set themselves going for ever, and note it."""
        circles = {name: way for name in deliveries if (way := circle(name, deliveries))}
        for name, way in circles.items():
            source = self.orchestrations.files[name].source
            message = (
                f"is a circle: {' waits for '.join(way)}, so that each delivery would set the next one going, for ever."
                " Take one of them out."
            )
            self.orchestrations.errors.append(at(source, ("workflow",), message))
        return {name: delivery for name, delivery in deliveries.items() if name not in circles}

    def errors(self) -> list[ConfigurationError]:
        """List all mistakes, the causes before what they stop."""
        above = [_by_file(folder) for folder in (self.destinations, self.contracts, self.data_templates)]
        stopping = (f"{error} (It stops {', '.join(names)}.)" for error, names in self.stopping.items())
        return [
            *(error for errors in above for error in errors),
            *map(ConfigurationError, stopping),
            *_by_file(self.orchestrations),
        ]

    def _take_out_if_unusable(self, template: Written[DataTemplate]) -> None:
        wanted: list[tuple[str, str | None, Folder[Any]]] = [
            ("destination", template.model.destination, self.destinations),
            ("contract", template.model.contract, self.contracts),
        ]
        for key, name, folder in wanted:
            if name is None or name in folder.files:
                continue
            self.data_templates.files.pop(template.name, None)
            if name in folder.broken:
                self.data_templates.broken[template.name] = folder.broken[name]
            else:
                self.data_templates.errors.append(_not_there(template.source, key, name, folder))
                self.data_templates.broken[template.name] = f"{template.source.file}:{template.source.line((key,))}"

    def _data_template(self, orchestration: Written[Orchestration]) -> Written[DataTemplate] | None:
        name, folder = orchestration.model.data_template, self.data_templates
        if name in folder.broken:
            message = f"{name!r} cannot be used until {folder.broken[name]} is mended."
            self.orchestrations.errors.append(at(orchestration.source, ("data_template",), message))
        elif name not in folder.files:
            self.orchestrations.errors.append(_not_there(orchestration.source, "data_template", name, folder))
        return folder.files.get(name)

    def _resolve(
        self, orchestration: Written[Orchestration], template: Written[DataTemplate]
    ) -> Delivery | list[ConfigurationError]:
        contract = template.model.contract
        return resolve(
            orchestration,
            template,
            self.destinations.files[template.model.destination],
            contract=self.contracts.files[contract].model if contract else None,
            config_dir=self.config_dir,
        )


def _by_file(folder: Folder[Any]) -> list[ConfigurationError]:
    return sorted(folder.errors, key=lambda error: str(error).partition(":")[0])


def _not_there(source: Source, key: str, name: str, folder: Folder[Any]) -> ConfigurationError:
    known = [*folder.files, *folder.broken]
    guess = did_you_mean(name, known) or (f" There are: {', '.join(known)}." if known else "")
    return at(source, (key,), f"there is no file {folder.kind}/{name}.yaml.{guess} Add it, or correct the name.")


@cache
def _built_in() -> dict[str, Written[Contract]]:
    return read_folder(BUILT_IN.parent, BUILT_IN.name, Contract).files


def _with_built_in(contracts: Folder[Contract]) -> Folder[Contract]:
    for name, contract in _built_in().items():
        if name in contracts.files or name in contracts.broken:
            text = f"contracts/{name}.yaml:1: {name} is a built-in contract. Rename the file."
            contracts.errors.append(ConfigurationError(text))
        contracts.files[name] = contract
    return contracts


def _misspelt(names: list[str]) -> Iterator[ConfigurationError]:
    for name in names:
        guess = closest(name, [known for known in FOLDERS if known not in names])
        if guess and name not in FOLDERS:
            yield ConfigurationError(f"{name}: is a folder that is not read. Did you mean '{guess}'? Rename it.")


def _one_line(error: ConfigurationError) -> ConfigurationError:
    # Names of files and values of users may hold anything; the line must stay one line that can be printed.
    text = "".join(character if character.isprintable() else repr(character)[1:-1] for character in str(error))
    return ConfigurationError(text)
