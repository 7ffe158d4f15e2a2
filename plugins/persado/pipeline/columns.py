"""
Whole columns: Python values into Arrow without loss, and Arrow columns into text.

:func:`text` of :mod:`persado.pipeline.values` is the rule; :func:`cells` reaches the same text through Arrow's
kernels where they agree with it, and value by value where they do not.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from persado.errors import ConfigurationError
from persado.pipeline.values import NotANumberError, text

# What no single Arrow type holds exactly (SQLite's columns of mixed types, decimals of several scales, integers
# beyond 64 bits) travels as text, with a flag for the values that are numbers.
MIXED = pa.struct([("text", pa.string()), ("number", pa.bool_())])

_FIRST_DAY, _LAST_DAY = dt.date(1, 1, 1), dt.date(9999, 12, 31)
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class Cells:
    """
    The text of a column.

    :param text: one string for each row, null for NULL
    :param number: whether the values are numbers (quote mode ``all_non_numeric`` leaves those unquoted): one
        flag for the column, or one for each row
    """

    text: pa.Array
    number: bool | pa.Array


def column(
    values: Sequence[Any],
    *,
    name: str,
    first_row: int,
    nan_text: str | None = None,
    previous: pa.DataType | None = None,
) -> pa.Array:
    """
    Hold one batch of a DB-API column in Arrow, exactly.

    :param values: the values as the driver gave them
    :param name: the column's name, for errors
    :param first_row: the number of the first value's row, for errors
    :param nan_text: the text of NaN and the infinities; None refuses them
    :param previous: the type of the batch before, kept where it can hold these values too
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
                pass  # beyond 64 bits, 76 digits or Unicode: the slow way holds it, or names the row
    texts = _texts(values, name, first_row, nan_text)
    numbers = [isinstance(v, int | float | decimal.Decimal) and not isinstance(v, bool) for v in values]
    mask = pa.array([v is None for v in values])
    return pa.StructArray.from_arrays([pa.array(texts, pa.string()), pa.array(numbers)], fields=list(MIXED), mask=mask)


def _decimal_type(values: Sequence[Any]) -> pa.DataType | None:
    # Arrow pads all the values to the largest scale: exact only where they share one.
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


def cells(column: pa.Array, *, name: str, first_row: int, nan_text: str | None = None) -> Cells:
    """
    Give the text of a column.

    :param column: the values
    :param name: the column's name, for errors
    :param first_row: the number of the first value's row in the delivery, for errors
    :param nan_text: the text of NaN and the infinities; None refuses them
    :raises ConfigurationError: for a value that has no text, with its row and column, never the value
    """
    if isinstance(column.type, pa.BaseExtensionType) and not isinstance(column.type, pa.UuidType):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type == MIXED:
        return Cells(pc.struct_field(column, "text"), pc.struct_field(column, "number"))
    type_ = column.type
    number = pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
    if pa.types.is_temporal(type_):
        _refuse_odd_years(column, name, first_row)
    for applies, kernel in _KERNELS:
        if applies(type_):
            found = kernel(column)
            if found is not None:
                return Cells(found, number)
    if pa.types.is_duration(type_):
        column = column.cast(pa.duration("us"))
    return Cells(
        pa.array(_texts(column.to_pylist(maps_as_pydicts="strict"), name, first_row, nan_text), pa.string()), number
    )


def _texts(values: Sequence[Any], name: str, first_row: int, nan_text: str | None) -> list[str | None]:
    texts = []
    row = first_row
    try:
        for row, value in enumerate(values, first_row):  # noqa: B007 - the row is for the error below
            cell = text(value, nan_text)
            if cell is not None:
                cell.encode()
            texts.append(cell)
    except NotANumberError:
        problem = "NaN or Infinity has no agreed text; set nan_text, or mend the query"
    except UnicodeEncodeError:
        problem = "the text is not valid Unicode (a lone surrogate); mend the source or the query"
    except ConfigurationError as error:
        problem = str(error)
    else:
        return texts
    # Raised out here, so that no value hangs on the error as its context.
    raise ConfigurationError(f"row {row}, column {name!r}: {problem}")


def _refuse_odd_years(column: pa.Array, name: str, first_row: int) -> None:
    """Refuse BC, five-digit years and the infinities, which engines keep as the ends of the integer range."""
    type_ = column.type
    if pa.types.is_date(type_):
        days, unit = column.cast(pa.date32()).cast(pa.int32()), 1
    elif pa.types.is_timestamp(type_) and type_.unit != "ns":  # 64 bits of nanoseconds end in 2262
        days, unit = column.cast(pa.int64()), 86_400 * {"s": 1, "ms": 1_000, "us": 1_000_000}[type_.unit]
    else:
        return
    low, high = (_FIRST_DAY - _EPOCH).days * unit, ((_LAST_DAY - _EPOCH).days + 1) * unit - 1
    odd = pc.or_(pc.less(days, low), pc.greater(days, high))
    if pc.any(odd).as_py():
        row = first_row + pc.index(odd, True).as_py()
        raise ConfigurationError(
            f"row {row}, column {name!r}: expected a date between the years 0001 and 9999, got one outside or an "
            "infinite one; mend the query"
        )


def _timestamp_text(column: pa.Array) -> pa.Array:
    type_ = column.type
    unit = "ns" if type_.unit == "ns" else "us"
    suffix = ""
    if type_.tz is not None:
        column, suffix = pc.local_timestamp(column.cast(pa.timestamp(unit, "UTC"))), "+00:00"
    cut = _without_zero_fraction(column.cast(pa.timestamp(unit)).cast(pa.string()))
    return pc.binary_join_element_wise(cut, suffix, "") if suffix else cut


def _time_text(column: pa.Array) -> pa.Array:
    unit = "ns" if column.type.unit == "ns" else "us"
    return _without_zero_fraction(column.cast(pa.time64(unit)).cast(pa.string()))


def _without_zero_fraction(column: pa.Array) -> pa.Array:
    micro = pc.replace_substring_regex(column, r"(\.\d{6})000$", r"\1")
    return pc.replace_substring_regex(micro, r"\.000000$", "")


def _decimal_text(column: pa.Array) -> pa.Array | None:
    found = column.cast(pa.string())
    # Arrow turns to exponents below 1E-6.
    return None if pc.any(pc.match_substring(found, "E")).as_py() else found


def _float_text(column: pa.Array) -> pa.Array | None:
    if not pc.all(pc.is_finite(column)).as_py():
        return None
    if pa.types.is_float64(column.type):
        return pa.array([None if v is None else repr(v) for v in column.to_pylist()], pa.string())
    # str of a numpy scalar is the shortest text at its own precision; Python's float would add digits.
    numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
    return pa.array([str(v) for v in numbers], pa.string(), mask=column.is_null().to_numpy(zero_copy_only=False))


def _cast(column: pa.Array) -> pa.Array:
    return column.cast(pa.string())


_KERNELS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array | None]], ...] = (
    (pa.types.is_string, lambda column: column),
    (pa.types.is_integer, _cast),
    (pa.types.is_decimal, _decimal_text),
    (pa.types.is_floating, _float_text),
    (pa.types.is_boolean, _cast),
    (pa.types.is_date, lambda column: column.cast(pa.date32()).cast(pa.string())),
    (pa.types.is_timestamp, _timestamp_text),
    (pa.types.is_time, _time_text),
    (pa.types.is_null, _cast),
    (pa.types.is_large_string, _cast),
    (pa.types.is_string_view, _cast),
)
