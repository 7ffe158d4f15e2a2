"""What a model refused, as lines that a person understands: file, line, what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from persado.errors import ConfigurationError
from persado.settings.json_schema import MODELS, Schema, json_schema, nodes_at, values
from persado.settings.spelling import closest
from persado.settings.yaml_text import Path, Source, as_yaml

Model = TypeVar("Model", bound=BaseModel)


def read_model(model: type[Model], source: Source) -> Model | list[ConfigurationError]:
    """
    Make a model of what a file holds.

    :param model: the kind of file
    :param source: what the file holds
    :return: the model, or one error for each mistake
    """
    try:
        # by_name=False: the name that a field has in Python (`from_`) is no key of a file
        return model.model_validate(source.data, by_alias=True, by_name=False)
    except ValidationError as error:
        return _problems(error.errors(include_url=False), source, json_schema(model))


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


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """
    Suggest a name, as a sentence to append.

    :param word: what was written
    :param known: what would have been right
    """
    near = closest(word, known)
    return f" Did you mean '{near}'?" if near else ""


def _problems(details: Sequence[Any], source: Source, schema: Schema) -> list[ConfigurationError]:
    found: dict[Path, ConfigurationError] = {}
    guesses: set[Path] = set()
    # Unknown keys first: a key that one of them was meant to be is not missing too.
    for detail in sorted(details, key=lambda detail: detail["type"] != "extra_forbidden"):
        *above, last = detail["loc"] or ("",)
        if detail["type"] == "extra_forbidden":
            parent = _real_path(above, source.data)
            guesses.add((*parent, closest(str(last), _known_keys(schema, parent)) or ""))
            found[*parent, last] = _unknown_key(str(last), parent, source, schema)
        elif detail["type"] == "missing":
            path = (*_real_path(above, source.data), last)
            if path not in guesses:
                found[path] = _missing_key(path, source, schema)
        else:
            context = detail.get("ctx", {})
            path = _real_path((*detail["loc"], *context.get("at", ())), source.data)
            # A union reports once for each alternative; the first one speaks for all.
            found.setdefault(path, at(source, path, context.get("message") or _expected(path, source, schema)))
    # What is wrong inside a list or a mapping speaks for the whole of it.
    inner = [path for path in found if not any(other[: len(path)] == path for other in found if other != path)]
    return [found[path] for path in sorted(inner, key=source.line)]


def _real_path(location: Sequence[str | int], data: Any) -> Path:
    # pydantic's locations also name the branches of unions and the like, which are no part of the file
    path: list[str | int] = []
    for step in location:
        if (isinstance(data, dict) and step in data) or (isinstance(data, list) and isinstance(step, int)):
            path.append(step)
            data = data[step]  # type: ignore[index]  # the line above made sure
    return tuple(path)


def _known_keys(schema: Schema, parent: Path) -> list[str]:
    return list(dict.fromkeys(key for node in nodes_at(schema, parent) for key in node.get("properties", ())))


def _unknown_key(key: str, parent: Path, source: Source, schema: Schema) -> ConfigurationError:
    known = _known_keys(schema, parent)
    guess = did_you_mean(key, known)
    if not guess and parent == ("settings",) and key in _known_keys(json_schema(MODELS["destination"]), parent):
        message = (
            f"{key!r} is set by the destination or the data template; an orchestration sets {', '.join(known)} only."
        )
    else:
        message = f"unknown key {key!r}.{guess} Known keys: {', '.join(known)}."
    return ConfigurationError(f"{source.file}:{source.line((*parent, key))}: {dotted(parent)}{message}")


def _missing_key(path: Path, source: Source, schema: Schema) -> ConfigurationError:
    example = next(example for node in nodes_at(schema, path) for example in node["examples"])
    return at(source, path[:-1], f"missing key '{path[-1]}'. Add it, as in '{path[-1]}: {as_yaml(example)}'.")


def _expected(path: Path, source: Source, schema: Schema) -> str:
    value: Any = source.data
    for step in path:
        value = value[step]
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
    # A text is shown only where a word was expected: elsewhere it may be a key or a pass phrase in the wrong place.
    return repr(value) if echo and len(value) <= 40 else "a text"


def _hint(value: Any, expected: Sequence[str], choices: Sequence[str]) -> str:
    if isinstance(value, str):
        if guess := did_you_mean(value, choices):
            return guess
        if "true or false" in expected and value.lower() in {"true", "yes", "on", "false", "no", "off"}:
            return f" Write {'true' if value.lower() in {'true', 'yes', 'on'} else 'false'} without quotes."
        if any(text.startswith(("a whole number", "a date")) for text in expected) and value[:1].isdigit():
            return " Write it without quotes."
    elif value is None:
        return " Leave the key out, or put the word in quotes." if "a text" in expected else " Leave the key out."
    elif isinstance(value, date) or ("a text" in expected and not isinstance(value, list | dict)):
        return " Put it in quotes to make it a text."
    return ""
