"""
The text of a value, defined in one place.

:func:`text` is the reference for every path through the code; :mod:`persado.pipeline.format.columns` produces the same
text for whole columns. The text never depends on the driver or on the settings of the server or the machine. Integers
and decimals are never converted to a float.

======================  ====================================================================
type                    text
======================  ====================================================================
integer, decimal        plain digits, no exponent, the scale preserved (``1.10``)
float                   the shortest text that reads back as the same float (Python's ``repr``)
NaN, Infinity           refused, unless ``nan_text`` is set
boolean                 ``true`` or ``false``
text                    unchanged
date                    ``YYYY-MM-DD``, from 0001 to 9999; others, and infinity, are refused
time                    ``HH:MM:SS[.ffffff][+HH:MM]``
timestamp               ``YYYY-MM-DD HH:MM:SS[.ffffff]``; nine digits if there are nanoseconds
timestamp with zone     the same in UTC, then ``+00:00``
interval                ISO 8601 duration, ``P1Y2M3DT4H5M6.5S`` (as PostgreSQL's ``iso_8601``)
bytes                   lower-case hex
UUID, network address   their standard text
array, struct, map      compact JSON: numbers, booleans and JSON as here, others as strings
JSON                    as the source returns it
range                   PostgreSQL's form, with the bounds as above: ``[1,5)``
======================  ====================================================================
"""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import json
import math
import re
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from persado.errors import ConfigurationError

ODD_YEAR = "expected a date between the years 0001 and 9999, found an earlier, later or infinite one; fix the query"
NO_NAN = "NaN or Infinity has no agreed text; set nan_text, or fix the query"

_SECOND = 1_000_000
_SURROGATE = re.compile("[\ud800-\udfff]")


class NoTextError(ConfigurationError):
    """A value that has no text; the message never contains the value."""


class JSONText(str):
    """A JSON document; inside an array it is written unchanged, without quotes."""

    __slots__ = ()


def text(value: Any, nan_text: str | None = None) -> str | None:
    """
    Return the text of one value.

    :param value: a value as a DB-API driver or Arrow returns it; None is NULL
    :param nan_text: the text of NaN and the infinities; None refuses them
    :raises NoTextError: for NaN and the infinities without a ``nan_text``, for text that is not Unicode, for a
        timestamp outside of the years 0001 to 9999, and for a type that has no rule
    """
    if value is None:
        return None
    if isinstance(value, float | decimal.Decimal):
        return _number(value, nan_text)
    if _is_nested(value):
        return _json(value, nan_text)
    for types, rule in _RULES:
        if isinstance(value, types):
            return rule(value)
    raise NoTextError(f"a value of type {type(value).__name__} has no text form; cast the column to text in the query")


def json_string(value: str) -> str:
    """Return a text as a JSON string."""
    return json.dumps(value, ensure_ascii=False)


def duration(months: int, days: int, microseconds: int) -> str:
    """
    Format an interval as PostgreSQL does with ``IntervalStyle = iso_8601``.

    :param months: the months; whole years are written as years
    :param days: the days; they are not converted to hours
    :param microseconds: the time part
    """
    sign = "-" if microseconds < 0 else ""
    seconds, fraction = divmod(abs(microseconds), _SECOND)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    years, months = int(months / 12), int(math.fmod(months, 12))
    date_part = "".join(f"{n}{unit}" for n, unit in ((years, "Y"), (months, "M"), (days, "D")) if n)
    time_part = "".join(f"{sign}{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M")) if n)
    if seconds or fraction:
        time_part += f"{sign}{seconds}{f'.{fraction:06d}'.rstrip('0') if fraction else ''}S"
    if not date_part and not time_part:
        return "PT0S"
    return "P" + date_part + ("T" + time_part if time_part else "")


def _number(value: float | decimal.Decimal, nan_text: str | None) -> str:
    if not _is_finite(value):
        if nan_text is None:
            raise NoTextError(NO_NAN)
        return nan_text
    if isinstance(value, float):
        return repr(float(value))
    return format(value or value.copy_abs(), "f")  # a decimal zero has no sign


def _is_finite(value: float | decimal.Decimal) -> bool:
    return value.is_finite() if isinstance(value, decimal.Decimal) else math.isfinite(value)


def _unicode(value: str) -> str:
    # Drivers and pandas accept lone surrogates, which UTF-8 cannot encode.
    if not value.isascii() and _SURROGATE.search(value):
        raise NoTextError("the text is not valid Unicode (a lone surrogate); fix the source or the query")
    return value


def _timestamp(value: dt.datetime) -> str:
    if value.tzinfo is not None:
        try:
            value = value.astimezone(dt.UTC)
        except OverflowError:  # the first or the last possible day, in a zone far from UTC
            raise NoTextError(ODD_YEAR) from None
    return value.isoformat(sep=" ")


def _timedelta(value: dt.timedelta) -> str:
    return duration(0, value.days, value.seconds * _SECOND + value.microseconds)


def _month_day_nano(value: pa.MonthDayNano) -> str:
    # None of the supported engines stores more than microseconds in an interval.
    return duration(value.months, value.days, int(math.copysign(abs(value.nanoseconds) // 1000, value.nanoseconds)))


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list | tuple) and not isinstance(value, pa.MonthDayNano)


def _json(value: Any, nan_text: str | None) -> str:
    """Return nested values as compact JSON. It preserves the digits of numbers, which json.dumps does not guarantee."""
    if isinstance(value, dict):
        members = (f"{json_string(text(k, nan_text) or '')}:{_member(v, nan_text)}" for k, v in value.items())
        return "{" + ",".join(members) + "}"
    return "[" + ",".join(_member(member, nan_text) for member in value) + "]"


def _member(value: Any, nan_text: str | None) -> str:
    found = text(value, nan_text)
    if found is None:
        return "null"
    # int includes bool. The text for NaN is not a JSON number.
    number = isinstance(value, int) or (isinstance(value, float | decimal.Decimal) and _is_finite(value))
    return found if number or _is_nested(value) or isinstance(value, JSONText) else json_string(found)


# The order matters: bool is an int, datetime is a date, MonthDayNano is a tuple.
_RULES: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (str, _unicode),
    (bool, lambda value: "true" if value else "false"),
    (int, str),
    (dt.datetime, _timestamp),
    (dt.date, dt.date.isoformat),
    (dt.time, dt.time.isoformat),
    (dt.timedelta, _timedelta),
    (pa.MonthDayNano, _month_day_nano),
    ((bytes, bytearray), lambda value: value.hex()),
    (memoryview, lambda value: bytes(value).hex()),
    ((uuid.UUID, ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Interface, ipaddress.IPv6Interface), str),
    ((ipaddress.IPv4Network, ipaddress.IPv6Network), str),
)
