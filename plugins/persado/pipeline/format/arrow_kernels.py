"""Convert Arrow arrays of scalar types to text, with the same result as :func:`persado.pipeline.format.text.text`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from persado.pipeline.format.text import ODD_YEAR, NoTextError, duration, text

# Arrow's own interval type counts the time part in nanoseconds, which overflow after 292 years.
INTERVAL = pa.struct([("months", pa.int64()), ("days", pa.int64()), ("microseconds", pa.int64())])

_A_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_FIRST_DAY = (dt.date(1, 1, 1) - dt.date(1970, 1, 1)).days
_LAST_DAY = (dt.date(9999, 12, 31) - dt.date(1970, 1, 1)).days
_NANOSECONDS_INFINITE = 2**63 - 1
_LARGEST_PLAIN_SCALE = 6  # up to this scale, Arrow writes every decimal without an exponent

Rule = Callable[[pa.Array, str | None], pa.Array]
"""Returns the text of each value; the second argument is the text of NaN and the infinities."""


class NoTextAtError(NoTextError):
    """
    A value of an array that has no text.

    :param index: its index in the array
    :param problem: what is wrong with it
    """

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(problem)
        self.index = index


def rule_for(type_: pa.DataType) -> Rule:
    """Return the rule for a type that is not nested."""
    return next((rule for applies, rule in _RULES if applies(type_)), _one_by_one)


def _one_by_one(column: pa.Array, nan_text: str | None) -> pa.Array:
    found: list[str | None] = []
    try:
        found.extend(text(value, nan_text) for value in column.to_pylist())
    except NoTextError as error:
        problem = NoTextAtError(len(found), str(error))
    else:
        return pa.array(found, pa.string())
    raise problem


def _cast(column: pa.Array, _: str | None) -> pa.Array:
    return column.cast(pa.string())


def _decimal(column: pa.Array, nan_text: str | None) -> pa.Array:
    found = column.cast(pa.string())
    if column.type.scale <= _LARGEST_PLAIN_SCALE:
        return found
    return _replaced(found, pc.match_substring(found, "E"), column, nan_text)


def _float(column: pa.Array, nan_text: str | None) -> pa.Array:
    if not pa.types.is_float64(column.type):
        # Convert through the shortest text in its own precision; a direct cast to double would add digits.
        column = column.cast(pa.float32()).cast(pa.string()).cast(pa.float64())
    found = column.cast(pa.string())
    found = pc.if_else(pc.equal(column, pc.floor(column)), pc.binary_join_element_wise(found, ".0", ""), found)
    size = pc.abs(column)
    # Arrow and Python both write the shortest digits, but switch to exponents at different limits.
    alike = pc.or_(pc.and_(pc.greater_equal(size, 1e-4), pc.less(size, 1e10)), pc.equal(size, 0))
    return _replaced(found, pc.invert(alike), column, nan_text)


def _replaced(found: pa.Array, wrong: pa.Array, column: pa.Array, nan_text: str | None) -> pa.Array:
    """Replace texts that Arrow writes differently, such as with an exponent."""
    indices = pc.indices_nonzero(wrong.fill_null(fill_value=False))
    if not len(indices):
        return found
    problem = None
    try:
        texts = _one_by_one(column.take(indices), nan_text)
    except NoTextAtError as error:
        problem = NoTextAtError(indices[error.index].as_py(), str(error))
    if problem:
        raise problem
    return pc.replace_with_mask(found, wrong.fill_null(fill_value=False), texts)


def _date(column: pa.Array, _: str | None) -> pa.Array:
    column = column.cast(pa.date32())
    _refuse_outside(column.cast(pa.int32()), _FIRST_DAY, _LAST_DAY, ODD_YEAR)
    return column.cast(pa.string())


def _timestamp(column: pa.Array, _: str | None) -> pa.Array:
    unit, zone = column.type.unit, column.type.tz
    ticks = column.cast(pa.int64())
    if unit == "ns":  # 64-bit nanoseconds end in 2262; the extreme values are the infinities
        _refuse_outside(ticks, 1 - _NANOSECONDS_INFINITE, _NANOSECONDS_INFINITE - 1, ODD_YEAR)
    else:
        day = 86_400 * _A_SECOND[unit]
        _refuse_outside(ticks, _FIRST_DAY * day, (_LAST_DAY + 1) * day - 1, ODD_YEAR)
    in_utc = ticks.cast(pa.timestamp(unit))
    found = _without_zero_fraction(in_utc, pa.timestamp("s"), pa.timestamp("us"))
    return found if zone is None else pc.binary_join_element_wise(found, "+00:00", "")


def _time(column: pa.Array, _: str | None) -> pa.Array:
    column = column.cast(pa.time64("ns" if column.type.unit == "ns" else "us"))
    found = _without_zero_fraction(column, pa.time32("s"), pa.time64("us"))
    # The end of the day, which is valid in SQL but which Arrow does not print.
    midnight = pc.equal(column.cast(pa.int64()), 86_400 * _A_SECOND[column.type.unit])
    return pc.if_else(midnight, "24:00:00", found) if pc.any(midnight).as_py() else found


def _without_zero_fraction(column: pa.Array, seconds: pa.DataType, microseconds: pa.DataType) -> pa.Array:
    """Write seconds, microseconds or nanoseconds: the coarsest unit that is exact."""
    whole = column.cast(seconds, safe=False)
    exact = pc.equal(whole.cast(column.type), column)
    if pc.all(exact).as_py():
        return whole.cast(pa.string())
    fine = column.cast(microseconds, safe=False)
    found = fine.cast(pa.string())
    if column.type.unit == "ns":
        found = pc.if_else(pc.equal(fine.cast(column.type), column), found, column.cast(pa.string()))
    return pc.if_else(exact, whole.cast(pa.string()), found)


def _refuse_outside(numbers: pa.Array, low: int, high: int, problem: str) -> None:
    outside = pc.or_(pc.less(numbers, low), pc.greater(numbers, high))
    if pc.any(outside).as_py():
        raise NoTextAtError(pc.index(outside, value=True).as_py(), problem)


def _duration(column: pa.Array, nan_text: str | None) -> pa.Array:
    return _one_by_one(column.cast(pa.duration("us"), safe=False), nan_text)


def _interval(column: pa.Array, _: str | None) -> pa.Array:
    parts = zip(*(part.to_pylist() for part in column.flatten()), strict=True)
    return pa.array([None if None in part else duration(*part) for part in parts], pa.string())


_RULES: tuple[tuple[Callable[[pa.DataType], bool], Rule], ...] = (
    (pa.types.is_string, lambda column, _: column),
    (pa.types.is_integer, _cast),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_floating, _float),
    (pa.types.is_boolean, _cast),
    (pa.types.is_date, _date),
    (pa.types.is_timestamp, _timestamp),
    (pa.types.is_time, _time),
    (pa.types.is_null, _cast),
    (pa.types.is_large_string, _cast),
    (pa.types.is_string_view, _cast),
    (pa.types.is_duration, _duration),
    (lambda type_: type_ == INTERVAL, _interval),
)
