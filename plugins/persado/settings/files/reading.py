"""Validate the contents of a file, and turn validation errors into readable lines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from persado.errors import ConfigurationError
from persado.settings.files.json_schema import Schema, json_schema, nodes_at, values
from persado.settings.files.wrong_keys import wrong_keys
from persado.settings.text.problems import at, real_path
from persado.settings.text.spelling import did_you_mean
from persado.settings.text.yaml_text import Path, Source, as_yaml

Model = TypeVar("Model", bound=BaseModel)

_KEYS = ("extra_forbidden", "missing")


def read_model(model: type[Model], source: Source) -> Model | list[ConfigurationError]:
    """
    Validate the contents of a file.

    :return: the model, or one error for each mistake
    """
    schema = json_schema(model)
    try:
        # by_name=False: a field's name in Python (`from_`) is not a key of the file
        validated = model.model_validate(source.data, by_alias=True, by_name=False)
    except ValidationError as error:
        return _problems(error.errors(include_url=False), source, schema)
    return list(_read_otherwise(source, schema)) or validated


def _problems(details: Sequence[Any], source: Source, schema: Schema) -> list[ConfigurationError]:
    unknown, missing = (
        [
            (*real_path(detail["loc"][:-1], source.data), detail["loc"][-1])
            for detail in details
            if detail["type"] == kind
        ]
        for kind in _KEYS
    )
    found = wrong_keys(unknown, missing, source, schema)
    for detail in details:
        if detail["type"] not in _KEYS:
            context = detail.get("ctx", {})
            path = real_path((*detail["loc"], *context.get("at", ())), source.data)
            # A union reports an error for each alternative; the first one is enough.
            found.setdefault(path, at(source, path, context.get("message") or _expected(path, source, schema)))
    # An error inside a list or mapping replaces an error about the whole of it.
    inner = [path for path in found if not any(other[: len(path)] == path for other in found if other != path)]
    return [found[path] for path in sorted(inner, key=source.line)]


def _read_otherwise(source: Source, schema: Schema) -> Iterator[ConfigurationError]:
    """Refuse values that YAML reads differently from their spelling, where a text is allowed too."""
    for path, text in source.respelt.items():
        if any(_takes_any_text(node) for node in nodes_at(schema, path)):
            read = as_yaml(_value(path, source))
            message = f"YAML reads {text} as {read}. Write {read}, or put it in quotes to make it a text."
            yield at(source, path, message)


def _takes_any_text(node: Schema) -> bool:
    return node.get("type", "string") == "string" and not {"enum", "const"} & node.keys()


def _value(path: Path, source: Source) -> Any:
    value: Any = source.data
    for step in path:
        value = value[step]
    return value


def _expected(path: Path, source: Source, schema: Schema) -> str:
    value = _value(path, source)
    nodes = nodes_at(schema, path)
    expected = values(nodes) or ["a JSON value"]
    choices = [choice for node in nodes for choice in node.get("enum", [node["const"]] if "const" in node else [])]
    echo = bool(choices) or any(node.get("type") in {"boolean", "integer"} for node in nodes)
    return f"expected {_any_of(expected)}, got {_shown(value, echo=echo)}.{_hint(value, expected, choices)}"


def _any_of(texts: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def _shown(value: Any, *, echo: bool) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case date():
            return f"the date {value}"
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "a mapping" if len(value) > 4 else "{" + ", ".join(value) + "}"
    # Show a text only where a word was expected: elsewhere it may be a key or a pass phrase in the wrong place.
    return repr(value) if echo and len(value) <= 40 else "a text"


def _hint(value: Any, expected: Sequence[str], choices: Sequence[str]) -> str:
    if isinstance(value, str):
        if guess := did_you_mean(value, choices):
            return guess
        if "true or false" in expected and value.lower() in {"true", "yes", "on", "false", "no", "off"}:
            return f" Write {'true' if value.lower() in {'true', 'yes', 'on'} else 'false'} without quotes."
        if any(text.startswith("a date") for text in expected):
            return " Write it without quotes." if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else ""
        if any(text.startswith("a whole number") for text in expected) and value[:1].isdigit():
            return f" Write {'it without quotes' if value.isdigit() else 'digits only'}."
    elif value is None:
        return " Leave the key out, or put the word in quotes." if "a text" in expected else " Leave the key out."
    elif isinstance(value, date) or ("a text" in expected and not isinstance(value, list | dict)):
        return " Put it in quotes to make it a text."
    return ""
