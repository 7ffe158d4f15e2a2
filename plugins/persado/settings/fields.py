"""What the settings models share: their strict root, and the kinds of text that several of them use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

Item = TypeVar("Item")


class Strict(BaseModel):
    """A model that cannot be changed, refuses unknown keys and never turns one type into another."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class _AfterFormat:
    """Marks a setting that does not shape the text."""


AfterFormat = Annotated[Item, _AfterFormat()]
"""
A setting that says what happens to the finished text, such as its encoding, and so cannot change a byte of it.

Every setting without this mark counts as shaping the text: an engine that does not know it must not write the text.
"""


def shapes_text(field: FieldInfo) -> bool:
    """Whether a setting shapes the text; see :data:`AfterFormat`."""
    return not any(isinstance(mark, _AfterFormat) for mark in field.metadata)


def mistake(message: str, *at: str | int) -> PydanticCustomError:
    """
    Make the error that a validator raises.

    :param message: what is wrong, what was expected and what to do
    :param at: the path from the validated value down to the culprit, where they differ
    """
    return PydanticCustomError("mistake", "{message}", {"message": message, "at": at})


def unique(items: tuple[Item, ...], names: Iterable[str]) -> tuple[Item, ...]:
    """
    Refuse a list in which a name stands twice.

    :param items: the list, returned as it is
    :param names: the name of each item, in the same order
    """
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            raise mistake(f"{name!r} is in the list twice. Remove or rename one of them.", index)
        seen.add(name)
    return items


def without_default(schema: JsonDict) -> None:
    """Keep a default that only marks "not set" out of a field's JSON Schema."""
    schema.pop("default", None)


def has_control_characters(text: str) -> bool:
    """Whether a text holds control characters, line separators or halves of a surrogate pair."""
    return any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text)


def _one_line(text: str) -> str:
    if not text.strip():
        raise mistake("is empty. Give it a text.")
    if has_control_characters(text):
        raise mistake("holds a control character such as a tab or a line break. Remove it.")
    return text


def _connection_id(text: str) -> str:
    # Airflow's own rule. The text is not shown: people paste whole connection URIs here, with the password.
    if not re.fullmatch(r"[\w#!()\-.:/\\]{1,250}", text):
        raise mistake(
            "is no connection id. Write the id of an Airflow connection (letters, digits, _ - . : /, at most 250"
            " characters), such as persado_default."
        )
    return text


def _variable_name(text: str) -> str:
    if len(_one_line(text)) > 250:
        raise mistake("is over 250 characters long. Write the name of an Airflow Variable.")
    return text


def _asset(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.:/@%+~#?&=-]{1,1500}", text) or text in {"self", "context"}:
        raise mistake(
            "is no asset name. Write letters, digits and _ - . : / only, such as warehouse_customers or"
            " persado://persado/weekly_segment."
        )
    return text


def name_mistake(name: str) -> str | None:
    """
    Say why a file's stem cannot be a name; None if it can.

    The rule is Airflow's for DAG ids, in ASCII, because the names also form the asset's URI, and no longer than a
    tag may be, because a destination's name becomes one.

    :param name: the stem
    """
    if re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name):
        return None
    return "a name may hold letters, digits, '_', '-' and '.' only, at most 100 of them. Rename the file."


OneLine = Annotated[str, AfterValidator(_one_line)]
ConnectionId = Annotated[str, AfterValidator(_connection_id)]
VariableName = Annotated[str, AfterValidator(_variable_name)]
# strict=False: YAML gives lists, where the models keep tuples
Assets = Annotated[
    tuple[Annotated[str, AfterValidator(_asset)], ...],
    Field(strict=False, min_length=1),
    AfterValidator(lambda assets: unique(assets, assets)),
]
