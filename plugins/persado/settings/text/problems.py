"""How mistakes are told: file, line, where in it, what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from persado.errors import ConfigurationError
from persado.settings.text.yaml_text import Path, Source


def at(source: Source, path: Path, message: str) -> ConfigurationError:
    """
    Make the error for a value of a file.

    :param source: the file
    :param path: where the value is
    :param message: what is wrong with it
    """
    return ConfigurationError(f"{source.file}:{source.line(path)}: {dotted(path)}{message}")


def dotted(path: Path) -> str:
    """Write a path as people do, ready to stand before a message: ``columns[1].name: ``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    return f"{text}: " if text else ""


def real_path(location: Sequence[str | int], data: Any) -> Path:
    """
    Keep of a location what is part of the file: pydantic's also name the branches of unions and the like.

    :param location: where pydantic found something
    :param data: what the file holds
    """
    path: list[str | int] = []
    for step in location:
        if (isinstance(data, dict) and step in data) or (isinstance(data, list) and isinstance(step, int)):
            path.append(step)
            data = data[step]  # type: ignore[index]  # the line above made sure
    return tuple(path)
