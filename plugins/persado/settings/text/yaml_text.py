"""
Parse YAML into plain values with their line numbers.

The parser is strict: one document, a mapping at the top, text keys, no duplicate keys, no aliases, no tags, and no
plain scalar that YAML would silently change (`007` into 7, `6:30` into 390).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from persado.errors import ConfigurationError

Path = tuple[str | int, ...]

# libyaml's parser, if PyYAML was built with it, is ten times faster.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# Deeper than any setting. The parser is recursive, so there must be a limit.
_MAX_DEPTH = 30

# YAML ends a line at these characters; editors do not.
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")
# Characters that look like a space or like nothing, but are neither in YAML.
_LOOKALIKES = re.compile("[\xa0\xad\u1680\u2000-\u200f\u202a-\u202f\u205f-\u2064\u3000\ufeff]")


@dataclass(frozen=True)
class Source:
    """
    The contents of a YAML file.

    :param file: the file's name in error messages
    :param lines: the line of each value, by its path of keys and indexes
    :param respelt: the spelling of values that are not spelt as they read: ``NO`` for false, ``+1`` for 1
    """

    file: str
    data: dict[str, Any]
    lines: Mapping[Path, int]
    respelt: Mapping[Path, str]

    def line(self, path: Path) -> int:
        """
        Return the line of a value, or of its nearest parent that exists.

        :param path: keys and indexes from the top
        """
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse_yaml(text: str, file: str) -> Source:
    """
    Parse a YAML text.

    :param file: the file's name in error messages
    :raises ConfigurationError: if it is not a plain mapping, with file, line and what to do
    """
    for pattern in (yaml.reader.Reader.NON_PRINTABLE, _LINE_ENDS):
        if found := pattern.search(text):
            line = text.count("\n", 0, found.start()) + 1
            raise ConfigurationError(f"{file}:{line}: holds the control character {found.group()!r}. Remove it.")
    try:
        reader = _Reader(text)
        data = reader.document()
    except _Refusal as refusal:
        raise ConfigurationError(f"{file}:{refusal.line}: {refusal.message}") from None
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError(_syntax_error(error, text, file)) from None
    return Source(file, data, reader.lines, reader.respelt)


def as_yaml(value: Any) -> str:
    """Return a value as YAML on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=float("inf"), sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


class _Refusal(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line, self.message = line, message


class _Reader:
    """Build values from parser events. Unlike PyYAML's composer, it cannot recurse or grow without bound."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self.respelt: dict[Path, str] = {}
        self._events = _Loader(text)

    def document(self) -> dict[str, Any]:
        self._next()  # the stream's start
        if self._events.check_event(yaml.StreamEndEvent):
            raise _Refusal(1, "is empty. Write its keys, or delete the file.")
        self._next()  # the document's start
        event = self._next()
        if not isinstance(event, yaml.MappingStartEvent):
            what = "a list" if isinstance(event, yaml.SequenceStartEvent) else "a single value"
            raise _Refusal(_line(event), f"expected keys with values ('key: value'), got {what}.")
        data: dict[str, Any] = self._value(event, ())
        self._next()  # the document's end
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise _Refusal(_line(event), "a second YAML document begins here. Write one file for each.")
        return data

    def _next(self) -> Any:
        return self._events.get_event()

    def _value(self, event: Any, path: Path) -> Any:
        self.lines.setdefault(path, _line(event))
        if isinstance(event, yaml.AliasEvent):
            raise _Refusal(_line(event), f"the alias '*{event.anchor}' is not supported. Write the value out.")
        if event.tag is not None:
            raise _Refusal(
                _line(event),
                f"the YAML tag '{event.tag.replace('tag:yaml.org,2002:', '!!')}' is not supported. Remove it.",
            )
        if len(path) > _MAX_DEPTH:
            raise _Refusal(_line(event), f"values are nested more than {_MAX_DEPTH} deep. Write them flatter.")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(path)
        value = self._scalar(event)
        spelling = str(value).lower() if isinstance(value, bool) else str(value)
        if isinstance(value, bool | int) and event.value.replace("_", "") != spelling:
            self.respelt[path] = event.value
        return value

    def _mapping(self, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event)
            if key in mapping:
                first = self.lines[*path, key]
                raise _Refusal(_line(event), f"the key {key!r} is here twice, first in line {first}. Remove one.")
            self.lines[*path, key] = _line(event)
            mapping[key] = self._value(self._next(), (*path, key))
        return mapping

    def _key(self, event: Any) -> str:
        if isinstance(event, yaml.MappingStartEvent):
            raise _Refusal(_line(event), "expected a key, got '{'. Put a value that begins with '{' in quotes.")
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            raise _Refusal(_line(event), "expected a text as key. Write 'key: value'.")
        if event.implicit[0] and event.value == "<<":
            raise _Refusal(_line(event), "the merge key '<<' is not supported. Write the values out.")
        key = self._scalar(event)
        if not isinstance(key, str):
            raise _Refusal(_line(event), f"the key {event.value!r} is not a text in YAML. Put it in quotes.")
        return key

    def _list(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _scalar(self, event: Any) -> Any:
        if not event.implicit[0]:
            return event.value
        tag = self._events.resolve(yaml.ScalarNode, event.value, event.implicit)
        return _plain(event.value, tag.rpartition(":")[2], _line(event))


def _plain(text: str, kind: str, line: int) -> Any:
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in {"yes", "true", "on"}
    if kind == "int" and re.fullmatch(r"[-+]?(0|[1-9][0-9_]{0,99})", text):
        return int(text.replace("_", ""))
    if kind == "float" and re.fullmatch(r"[-+]?[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?", text):
        return float(text)
    if kind == "timestamp" and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise _Refusal(line, f"there is no day {text}. Correct it, or put it in quotes if it is a text.") from None
    if kind in {"int", "float", "timestamp"}:
        raise _Refusal(line, f"YAML does not read {text[:40]} as it stands there. Put it in quotes if it is a text.")
    return text


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


def _syntax_error(error: yaml.MarkedYAMLError, text: str, file: str) -> str:
    # The position of the opening quote or bracket helps more than the position where the parser gave up.
    opened = error.context and re.search("simple key|quoted scalar|flow", error.context)
    mark = (error.context_mark if opened else None) or error.problem_mark
    number = min(mark.line + 1 if mark else 1, max(text.count("\n") + (not text.endswith("\n")), 1))
    line = text.split("\n")[number - 1]
    return f"{file}:{number}: is not valid YAML: {error.problem}. {_hint(str(error.problem), line)}"


def _hint(problem: str, line: str) -> str:
    if found := _LOOKALIKES.search(line):
        return f"The line holds {found.group()!r}, which looks like a space or like nothing. Remove it."
    if "\t" in line and ("indentation" in problem or "cannot start any token" in problem):
        return "Indent with spaces, not with tabs."
    if re.search(r":\s*\{\{", line):
        return "Put a value that begins with '{' in quotes."
    if re.search("cannot start any token|not allowed in this context|alphabetic or numeric", problem):
        return "Put a value with special characters (: # @ % ` { [ * & ? -) in quotes."
    if "end of stream" in problem or "',' or" in problem:
        return "A quote or a bracket is not closed."
    if "escape" in problem or "hexdecimal" in problem:
        return "Use single quotes, in which a backslash is a plain character."
    if re.search(r"[]}]\s*$", line) and line.count("]") + line.count("}") > line.count("[") + line.count("{"):
        return "A bracket is closed that was not opened."
    return "Check the indentation and the ':' after the key, here and in the line before."
