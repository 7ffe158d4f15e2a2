"""Load a configuration folder: every valid delivery, and every mistake."""

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
    The contents of a configuration folder.

    :param deliveries: the valid deliveries, by name
    :param errors: the mistakes, one line each: ``orchestrations/a.yaml:7: what is wrong and what to do``
    """

    deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    errors: tuple[ConfigurationError, ...] = ()


def load(config_dir: Path) -> Configuration:
    """
    Read and check all files. A broken file does not hide the others.

    This is fast and uses neither the network nor Airflow, so it can run whenever Airflow parses the DAGs.

    :param config_dir: the folder that holds ``destinations/``, ``data_templates/`` and so on
    """
    try:
        entries = {path.name: path.is_dir() for path in sorted(config_dir.iterdir())}
    except OSError as error:
        text = f"{config_dir}: cannot read the folder: {error.strerror}. Set AIRFLOW__PERSADO__CONFIG_DIR to another."
        return Configuration(errors=(_one_line(ConfigurationError(text)),))
    files = _Files(config_dir, _misspelt([name for name, is_folder in entries.items() if is_folder]))
    deliveries = files.without_circles({delivery.name: delivery for delivery in files.deliveries()})
    errors = (*_misplaced(name for name, is_folder in entries.items() if not is_folder), *files.errors())
    return Configuration(deliveries, tuple(_one_line(error) for error in errors))


class _Files:
    """All files of a configuration, and their mistakes."""

    def __init__(self, config_dir: Path, misspelt: Mapping[str, ConfigurationError]) -> None:
        self.config_dir = config_dir
        self.misspelt = misspelt
        self.destinations = self._read("destinations", Destination)
        self.contracts = _with_built_in(self._read("contracts", Contract))
        self.data_templates = self._read("data_templates", DataTemplate)
        self.orchestrations = self._read("orchestrations", Orchestration)
        # A mistake above the orchestrations can stop several of them. It is reported once, with their names.
        self.stopped: dict[str, list[str]] = {}
        for template in list(self.data_templates.files.values()):
            self._drop_if_unusable(template)

    def deliveries(self) -> Iterator[Delivery]:
        """Resolve each orchestration, and record why the others cannot be resolved."""
        for name, written in self.orchestrations.files.items():
            found = self._resolve(written)
            if isinstance(found, Delivery):
                yield found
                continue
            for error in found:
                self.stopped.setdefault(str(error), []).append(name)

    def without_circles(self, deliveries: Mapping[str, Delivery]) -> dict[str, Delivery]:
        """Drop deliveries that would trigger themselves forever, and record the mistake."""
        circles = {name: path for name in deliveries if (path := circle(name, deliveries))}
        reported: set[str] = set()
        for name, path in circles.items():
            if name not in reported:
                message = (
                    f"is a circle: {' waits for '.join(path)}, so each delivery would start the next one forever."
                    " Remove one of the references."
                )
                error = at(self.orchestrations.files[name].source, ("workflow",), message)
                self.stopped[str(error)] = path
                reported.update(path)
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

    def _drop_if_unusable(self, template: Written[DataTemplate]) -> None:
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
                cause = _missing_file(template.source, key, name, folder)
                self.data_templates.errors.append(cause)
            self.data_templates.broken[template.name] = cause

    def _resolve(self, orchestration: Written[Orchestration]) -> Delivery | list[ConfigurationError]:
        name, folder = orchestration.model.data_template, self.data_templates
        if name not in folder.files:
            cause = folder.broken.get(name) or folder.unread
            return [cause or _missing_file(orchestration.source, "data_template", name, folder)]
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


def _missing_file(source: Source, key: str, name: str, folder: Folder[Any]) -> ConfigurationError:
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
    """Find YAML files that lie beside the folders instead of in one."""
    for name in names:
        if name.endswith((".yaml", ".yml")) and not name.startswith("."):
            text = (
                f"{name}:1: is not read here. Move it into destinations, data_templates, orchestrations or contracts."
            )
            yield ConfigurationError(text)


def _misspelt(names: list[str]) -> dict[str, ConfigurationError]:
    """Find folders whose names are misspelt."""
    found = {}
    for name in names:
        guess = closest(name, [known for known in FOLDERS if known not in names])
        if guess and name not in FOLDERS:
            text = f"{name}: this folder is not read. Did you mean '{guess}'? Rename it."
            found[guess] = ConfigurationError(text)
    return found


def _one_line(error: ConfigurationError) -> ConfigurationError:
    # File names and values may hold any character; the error must stay one printable line.
    text = "".join(character if character.isprintable() else repr(character)[1:-1] for character in str(error))
    return ConfigurationError(text)
