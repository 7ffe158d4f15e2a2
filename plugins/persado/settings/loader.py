"""Loads a whole folder of configuration: every delivery that is right, and every mistake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from persado.errors import ConfigurationError
from persado.settings.checks.chains import circle
from persado.settings.delivery import Delivery
from persado.settings.files.folder import Folder, Written, read_folder
from persado.settings.models.contract import BUILT_IN, Contract
from persado.settings.models.data_template import DataTemplate
from persado.settings.models.destination import Destination
from persado.settings.models.orchestration import Orchestration
from persado.settings.resolve import resolve
from persado.settings.text.problems import at
from persado.settings.text.spelling import closest, did_you_mean
from persado.settings.text.yaml_text import Source

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
        entries = {path.name: path.is_dir() for path in sorted(config_dir.iterdir())}
    except OSError as error:
        text = f"{config_dir}: is no folder that can be read: {error.strerror}. Set AIRFLOW__PERSADO__CONFIG_DIR to it."
        return Configuration(errors=(_one_line(ConfigurationError(text)),))
    files = _Files(config_dir, _misspelt([name for name, is_folder in entries.items() if is_folder]))
    deliveries = files.without_circles({delivery.name: delivery for delivery in files.deliveries()})
    errors = (*_misplaced(name for name, is_folder in entries.items() if not is_folder), *files.errors())
    return Configuration(deliveries, tuple(_one_line(error) for error in errors))


class _Files:
    """All files of a configuration, and what is wrong with them."""

    def __init__(self, config_dir: Path, misspelt: Mapping[str, ConfigurationError]) -> None:
        self.config_dir = config_dir
        self.misspelt = misspelt
        self.destinations = self._read("destinations", Destination)
        self.contracts = _with_built_in(self._read("contracts", Contract))
        self.data_templates = self._read("data_templates", DataTemplate)
        self.orchestrations = self._read("orchestrations", Orchestration)
        # Above an orchestration, a mistake can stop several of them; it is told once, with their names.
        self.stopped: dict[str, list[str]] = {}
        for template in list(self.data_templates.files.values()):
            self._take_out_if_unusable(template)

    def deliveries(self) -> Iterator[Delivery]:
        """Resolve each orchestration, and note what is wrong with the others."""
        for name, written in self.orchestrations.files.items():
            found = self._resolve(written)
            if isinstance(found, Delivery):
                yield found
                continue
            for error in found:
                self.stopped.setdefault(str(error), []).append(name)

    def without_circles(self, deliveries: Mapping[str, Delivery]) -> dict[str, Delivery]:
        """Leave out those that would set themselves going for ever, and note it."""
        circles = {name: way for name in deliveries if (way := circle(name, deliveries))}
        told: set[str] = set()
        for name, way in circles.items():
            if name not in told:
                message = (
                    f"is a circle: {' waits for '.join(way)}, so that each delivery would set the next one going, for"
                    " ever. Take one of them out."
                )
                error = at(self.orchestrations.files[name].source, ("workflow",), message)
                self.stopped[str(error)] = way
                told.update(way)
        return {name: delivery for name, delivery in deliveries.items() if name not in circles}

    def errors(self) -> list[ConfigurationError]:
        """List all mistakes, those of the higher levels first, each with the orchestrations that it stops."""
        folders = (self.destinations, self.contracts, self.data_templates)
        above = [*map(str, self.misspelt.values()), *(str(error) for folder in folders for error in _by_file(folder))]
        others = [*self.stopped, *map(str, self.orchestrations.errors)]
        own = sorted((text for text in others if _is_own(text)), key=_file)
        lines = dict.fromkeys([*above, *(text for text in others if not _is_own(text)), *own])
        return [ConfigurationError(text + self._stops(text)) for text in lines]

    def _stops(self, text: str) -> str:
        names = dict.fromkeys(
            name for name in self.stopped.get(text, ()) if _file(text) != f"orchestrations/{name}.yaml"
        )
        return f" (It stops {', '.join(names)}.)" if names else ""

    def _read(self, kind: str, model: type[Any]) -> Folder[Any]:
        folder = read_folder(self.config_dir, kind, model)
        return replace(folder, unread=folder.unread or self.misspelt.get(kind))

    def _take_out_if_unusable(self, template: Written[DataTemplate]) -> None:
        wanted: list[tuple[str, str | None, Folder[Any]]] = [
            ("destination", template.model.destination, self.destinations),
            ("contract", template.model.contract, self.contracts),
        ]
        for key, name, folder in wanted:
            if name is None or name in folder.files:
                continue
            self.data_templates.files.pop(template.name, None)
            cause = folder.broken.get(name) or folder.unread
            if cause is None:
                cause = _not_there(template.source, key, name, folder)
                self.data_templates.errors.append(cause)
            self.data_templates.broken[template.name] = cause

    def _resolve(self, orchestration: Written[Orchestration]) -> Delivery | list[ConfigurationError]:
        name, folder = orchestration.model.data_template, self.data_templates
        if name not in folder.files:
            cause = folder.broken.get(name) or folder.unread
            return [cause or _not_there(orchestration.source, "data_template", name, folder)]
        if "queries" in self.misspelt:
            return [self.misspelt["queries"]]
        return self._merged(orchestration, folder.files[name])

    def _merged(
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
    return sorted(folder.errors, key=lambda error: _file(str(error)))


def _file(text: str) -> str:
    return text.partition(":")[0]


def _is_own(text: str) -> bool:
    return text.startswith("orchestrations/")


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


def _misplaced(names: Iterable[str]) -> Iterator[ConfigurationError]:
    """Find YAML files beside the folders that they belong into."""
    for name in names:
        if name.endswith((".yaml", ".yml")) and not name.startswith("."):
            text = (
                f"{name}:1: is not read here. Move it into destinations, data_templates, orchestrations or contracts."
            )
            yield ConfigurationError(text)


def _misspelt(names: list[str]) -> dict[str, ConfigurationError]:
    """Find the folders that are not there under their names, but under similar ones."""
    found = {}
    for name in names:
        guess = closest(name, [known for known in FOLDERS if known not in names])
        if guess and name not in FOLDERS:
            text = f"{name}: is a folder that is not read. Did you mean '{guess}'? Rename it."
            found[guess] = ConfigurationError(text)
    return found


def _one_line(error: ConfigurationError) -> ConfigurationError:
    # Names of files and values of users may hold anything; the line must stay one line that can be printed.
    text = "".join(character if character.isprintable() else repr(character)[1:-1] for character in str(error))
    return ConfigurationError(text)
