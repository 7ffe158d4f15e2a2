"""Error messages that name file, line and key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from persado.errors import ConfigurationError
from persado.settings.text.yaml_text import Path, Source


def at(source: Source, path: Path, message: str) -> ConfigurationError:
    """
    Return the error for a value in a file.

    :param path: the value's path
    :param message: what is wrong, and what to do
    """
    return ConfigurationError(f"{source.file}:{source.line(path)}: {dotted(path)}{message}")


def dotted(path: Path) -> str:
    """Return a path as the prefix of a message: ``columns[1].name: ``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    return f"{text}: " if text else ""


def real_path(location: Sequence[str | int], data: Any) -> Path:
    """Reduce pydantic's location, which also names branches of unions, to the path in the file."""
    path: list[str | int] = []
    for step in location:
        if (isinstance(data, dict) and step in data) or (isinstance(data, list) and isinstance(step, int)):
            path.append(step)
            data = data[step]  # type: ignore[index]  # the line above made sure
    return tuple(path)
