"""Read a folder of YAML files. A file that cannot be read becomes an error and does not hide the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from persado.errors import ConfigurationError
from persado.settings.fields import name_mistake
from persado.settings.files.reading import read_model
from persado.settings.text.yaml_text import Source, parse_yaml

Model = TypeVar("Model", bound=BaseModel)

# Far more than anyone writes. The files are read whenever Airflow parses the DAGs, so there must be a limit.
_MOST_BYTES = 5_000_000


@dataclass(frozen=True)
class Written(Generic[Model]):
    """
    A valid file.

    :param name: its stem
    :param source: its values with their lines
    """

    name: str
    model: Model
    source: Source


@dataclass(frozen=True)
class Folder(Generic[Model]):
    """
    The files of one kind.

    :param kind: the folder's name
    :param files: the valid files by name
    :param broken: the first mistake of each invalid file by name
    :param errors: all mistakes
    :param unread: why the folder as a whole was not read
    """

    kind: str
    files: dict[str, Written[Model]] = field(default_factory=dict)
    broken: dict[str, ConfigurationError] = field(default_factory=dict)
    errors: list[ConfigurationError] = field(default_factory=list)
    unread: ConfigurationError | None = None


def read_folder(config_dir: Path, kind: str, model: type[Model]) -> Folder[Model]:
    """
    Read the YAML files of a folder.

    :param config_dir: the folder above
    :param kind: the folder's name, such as ``destinations``
    """
    folder = Folder[Model](kind)
    try:
        # is_dir() is inside the try: a folder may be listable although its entries may not be read.
        paths = [(path, path.is_dir()) for path in sorted((config_dir / kind).iterdir())]
    except FileNotFoundError:
        return folder
    except OSError as error:
        unread = ConfigurationError(f"{kind}: cannot read the folder: {error.strerror}. Make it a readable folder.")
        return Folder[Model](kind, errors=[unread], unread=unread)
    for path, is_folder in paths:
        if path.name.startswith(".") or not (is_folder or path.suffix.lower() in {".yaml", ".yml"}):
            continue
        result = _read(path, f"{kind}/{path.name}", model)
        if isinstance(result, Written):
            folder.files[path.stem] = result
            folder.broken.pop(path.stem, None)
        else:
            folder.errors.extend(result)
            if path.stem not in folder.files:
                folder.broken[path.stem] = result[0]
    return folder


def is_missing(path: Path) -> bool:
    """Return whether there is no such file. A file that permissions hide does not count as missing."""
    try:
        return not path.is_file()
    except PermissionError:
        return False
    except OSError:  # a name that the file system refuses
        return True


def read_text(path: Path, file: str) -> str:
    """
    Read a text file.

    :param file: its name for error messages
    :raises ConfigurationError: if it cannot be read or is not UTF-8
    """
    try:
        if not path.is_file():
            raise ConfigurationError(f"{file}:1: is not a regular file. Put a file there.")
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigurationError(f"{file}:1: is larger than {_MOST_BYTES:,} bytes. Is it the right file?")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{file}:1: cannot be read: {error.strerror}. Check the file's permissions.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{file}:{line}: is not in UTF-8. Save the file as UTF-8.") from None


def _read(path: Path, file: str, model: type[Model]) -> Written[Model] | Sequence[ConfigurationError]:
    if path.is_dir():
        return [ConfigurationError(f"{file}: folders in here are not read. Move its files one level up.")]
    if path.suffix != ".yaml":
        return [ConfigurationError(f"{file}:1: only files that end in .yaml are read. Rename it to {path.stem}.yaml.")]
    if wrong := name_mistake(path.stem):
        return [ConfigurationError(f"{file}:1: {wrong}")]
    try:
        source = parse_yaml(read_text(path, file), file)
    except ConfigurationError as error:
        return [error]
    result = read_model(model, source)
    return result if isinstance(result, list) else Written(path.stem, result, source)
