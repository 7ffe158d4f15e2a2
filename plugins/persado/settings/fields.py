"""What the settings models share: the strict base model, and the field types that several of them use."""

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
    """An immutable model that refuses unknown keys and never converts types."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class _AfterFormat:
    """The marker of :data:`AfterFormat`."""


AfterFormat = Annotated[Item, _AfterFormat()]
"""
Marks a setting that applies to the finished text, such as its encoding, and so cannot change a byte of it.

All other settings shape the text. An engine that does not know such a setting must not write the text itself.
"""


def shapes_text(field: FieldInfo) -> bool:
    """Return whether a setting shapes the text; see :data:`AfterFormat`."""
    return not any(isinstance(mark, _AfterFormat) for mark in field.metadata)


def mistake(message: str, *at: str | int) -> PydanticCustomError:
    """
    Return the error that a validator raises.

    :param message: what is wrong, what was expected and what to do
    :param at: the path from the validated value to the wrong one, if they differ
    """
    return PydanticCustomError("mistake", "{message}", {"message": message, "at": at})


def unique(items: tuple[Item, ...], names: Iterable[str]) -> tuple[Item, ...]:
    """
    Return a list, or raise an error if two of its items have the same name.

    :param items: the list
    :param names: the name of each item, in the same order
    """
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            raise mistake(f"{name!r} is in the list twice. Remove or rename one of them.", index)
        seen.add(name)
    return items


def without_default(schema: JsonDict) -> None:
    """Remove a default that only means "not set" from a field's JSON Schema."""
    schema.pop("default", None)


def has_control_characters(text: str) -> bool:
    """Return whether a text contains control characters, line separators or lone surrogates."""
    return any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text)


def _one_line(text: str) -> str:
    if not text.strip():
        raise mistake("is empty. Write a text.")
    if has_control_characters(text):
        raise mistake("contains a control character such as a tab or a line break. Remove it.")
    return text


def _connection_id(text: str) -> str:
    # Airflow's own rule. Do not quote the text: people paste whole connection URIs here, including the password.
    if not re.fullmatch(r"[\w#!()\-.:/\\]{1,250}", text):
        raise mistake(
            "is not a connection id. Write the id of an Airflow connection (letters, digits, _ - . : /, at most 250"
            " characters), such as persado_default."
        )
    return text


def _variable_name(text: str) -> str:
    if len(_one_line(text)) > 250:
        raise mistake("is longer than 250 characters. Write the name of an Airflow Variable.")
    return text


def _asset(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.:/@%+~#?&=-]{1,1500}", text) or text in {"self", "context"}:
        raise mistake(
            "is not an asset name. Use only letters, digits and _ - . : /, such as warehouse_customers or"
            " persado://persado/weekly_segment."
        )
    return text


def name_mistake(name: str) -> str | None:
    """
    Return why a file's stem is not a valid name, or None if it is.

    The rule is Airflow's for DAG ids with two restrictions: ASCII only, because names are part of the asset's URI, and
    at most 100 characters, because a destination's name becomes a tag.
    """
    if re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name):
        return None
    return "a name may contain only letters, digits, '_', '-' and '.', at most 100 characters. Rename the file."


OneLine = Annotated[str, AfterValidator(_one_line)]
ConnectionId = Annotated[str, AfterValidator(_connection_id)]
VariableName = Annotated[str, AfterValidator(_variable_name)]
# strict=False: YAML has lists, the models have tuples
Assets = Annotated[
    tuple[Annotated[str, AfterValidator(_asset)], ...],
    Field(strict=False, min_length=1),
    AfterValidator(lambda assets: unique(assets, assets)),
]
