"""
Convert whole columns: Python values to Arrow without loss, and Arrow columns to text.

:func:`text` of :mod:`persado.pipeline.format.text` is the reference. :func:`cells` produces the same text, with Arrow's
kernels where they agree with it, and value by value where they do not.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from persado.errors import ConfigurationError
from persado.pipeline.format.arrow_kernels import NoTextAtError
from persado.pipeline.format.arrow_text import MIXED, text_of
from persado.pipeline.format.text import NoTextError, text

__all__ = ["MIXED", "Cells", "cells", "column", "mixed", "texts"]


@dataclass(frozen=True)
class Cells:
    """
    The text of a column.

    :param text: one string for each row, null for NULL
    :param number: whether the values are numbers, which quote mode ``all_non_numeric`` does not quote: one flag for the
        column, or one for each row
    """

    text: pa.Array
    number: bool | pa.Array


def cells(column: pa.Array, *, name: str, first_row: int, nan_text: str | None = None) -> Cells:
    """
    Return the text of a column.

    :param name: the column's name, for errors
    :param first_row: the number of the first value's row in the delivery, for errors
    :param nan_text: the text of NaN and the infinities; None refuses them
    :raises ConfigurationError: for a value that has no text, with its row and column, never the value
    """
    try:
        found, number = text_of(column, nan_text)
    except NoTextAtError as error:
        problem = _at(first_row + error.index, name, error)
    else:
        return Cells(found, number)
    raise problem  # outside of except: the context could contain a value


def column(
    values: Sequence[Any],
    *,
    name: str,
    first_row: int,
    nan_text: str | None = None,
    previous: pa.DataType | None = None,
) -> pa.Array:
    """
    Convert one batch of a DB-API column to Arrow, exactly.

    :param values: the values as the driver returned them
    :param name: the column's name, for errors
    :param first_row: the number of the first value's row, for errors
    :param nan_text: the text of NaN and the infinities; None refuses them
    :param previous: the type of the previous batch, used again if it can hold these values
    :raises ConfigurationError: for a value that has no text, with its row and column, never the value
    """
    types = set(map(type, values)) - {type(None)}
    if not types:
        return pa.nulls(len(values), previous or pa.null())
    if previous != MIXED and len(types) == 1:
        choose = _ARROW_TYPES.get(types.pop())
        arrow_type = choose(values) if choose else None
        if arrow_type is not None:
            try:
                return pa.array(values, arrow_type)
            except (OverflowError, pa.ArrowInvalid, UnicodeEncodeError):
                pass  # beyond 64 bits, 76 digits or Unicode: the code below handles it, or reports the row
    numbers = [isinstance(v, int | float | decimal.Decimal) and not isinstance(v, bool) for v in values]
    return mixed(texts(values, lambda value: text(value, nan_text), name=name, first_row=first_row), number=numbers)


def texts(values: Sequence[Any], rule: Callable[[Any], str | None], *, name: str, first_row: int) -> list[str | None]:
    """
    Convert values to text one by one.

    :param rule: returns the text of one value
    :param name: the column's name, for errors
    :param first_row: the number of the first value's row, for errors
    :raises ConfigurationError: for a value that has no text, with its row and column, never the value
    """
    found: list[str | None] = []
    try:
        found.extend(map(rule, values))
    except NoTextError as error:
        problem = _at(first_row + len(found), name, error)
    else:
        return found
    raise problem  # outside of except: the context could contain a value


def mixed(texts: Sequence[str | None] | pa.Array, *, number: bool | Sequence[bool]) -> pa.Array:
    """
    Return an array of type :data:`MIXED`.

    :param texts: the texts; None is NULL
    :param number: whether they are numbers: one flag for all, or one for each
    """
    texts = pa.array(texts, pa.string())
    numbers = pa.repeat(number, len(texts)) if isinstance(number, bool) else pa.array(number, pa.bool_())
    return pa.StructArray.from_arrays([texts, numbers], fields=list(MIXED), mask=texts.is_null())


def _at(row: int, name: str, problem: Exception) -> ConfigurationError:
    return ConfigurationError(f"row {row}, column {name!r}: {problem}")


def _decimal_type(values: Sequence[Any]) -> pa.DataType | None:
    # Arrow pads all values to the largest scale, so the text is exact only if they share one scale.
    exponents = {v.as_tuple().exponent for v in values if v is not None}
    exponent = exponents.pop()
    if exponents or not isinstance(exponent, int) or exponent > 0:
        return None
    return pa.decimal256(76, -exponent) if exponent >= -76 else None


def _timestamp_type(values: Sequence[Any]) -> pa.DataType | None:
    naive = {v.tzinfo is None for v in values if v is not None}
    if len(naive) > 1:
        return None
    return pa.timestamp("us") if naive.pop() else pa.timestamp("us", "UTC")


def _time_type(values: Sequence[Any]) -> pa.DataType | None:
    return pa.time64("us") if all(v is None or v.tzinfo is None for v in values) else None


_ARROW_TYPES: dict[type, Callable[[Sequence[Any]], pa.DataType | None]] = {
    str: lambda _: pa.string(),
    int: lambda _: pa.int64(),
    bool: lambda _: pa.bool_(),
    float: lambda _: pa.float64(),
    decimal.Decimal: _decimal_type,
    dt.date: lambda _: pa.date32(),
    dt.datetime: _timestamp_type,
    dt.time: _time_type,
    bytes: lambda _: pa.binary(),
}
