"""
A value's text, decided in one place.

:func:`text` is the reference for every path through the code; :mod:`persado.pipeline.columns` gives the same
for whole columns. The text of a value never depends on the driver, the server's or the machine's settings,
and no number passes through a float on its way.

======================  ====================================================================
type                    text
======================  ====================================================================
integer, decimal        plain digits, no exponent, the scale kept (``1.10``)
float                   the shortest text that reads back as the same float (Python's ``repr``)
NaN, Infinity           refused, unless ``nan_text`` is set
boolean                 ``true`` or ``false``
text                    as it is
date                    ``YYYY-MM-DD``
time                    ``HH:MM:SS[.ffffff][+HH:MM]``
timestamp               ``YYYY-MM-DD HH:MM:SS[.ffffff]``
timestamp with zone     the same in UTC, then ``+00:00``
interval                ISO 8601 duration, ``P1Y2M3DT4H5M6.5S`` (as PostgreSQL's ``iso_8601``)
bytes                   lower-case hex
UUID, network address   their standard text
array, struct, JSON     compact JSON; a JSON document of the source as the source gives it
======================  ====================================================================
"""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import json
import math
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from persado.errors import ConfigurationError

_SECOND = 1_000_000


class NotANumberError(ValueError):
    """A NaN or an infinity, which has no agreed text."""


def text(value: Any, nan_text: str | None = None) -> str | None:
    """
    Give the text of one value.

    :param value: a value as a DB-API driver or Arrow gives it; None is NULL
    :param nan_text: the text of NaN and the infinities
    :raises NotANumberError: for NaN and the infinities without a ``nan_text``
    :raises ConfigurationError: for a type that has no rule
    """
    if value is None or isinstance(value, str):
        return value
    for types, rule in _RULES:
        if isinstance(value, types):
            try:
                return rule(value)
            except NotANumberError:
                if nan_text is None:
                    raise
                return nan_text
    raise ConfigurationError(
        f"a value of type {type(value).__name__} has no text of its own; cast the column to text in the query"
    )


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise NotANumberError
    return repr(float(value))


def _decimal(value: decimal.Decimal) -> str:
    if not value.is_finite():
        raise NotANumberError
    return format(value, "f")


def _timestamp(value: dt.datetime) -> str:
    if value.tzinfo is not None:
        value = value.astimezone(dt.UTC)
    return value.isoformat(sep=" ")


def _timedelta(value: dt.timedelta) -> str:
    return duration(0, value.days, value.seconds * _SECOND + value.microseconds)


def _month_day_nano(value: pa.MonthDayNano) -> str:
    # No engine that is read here keeps more than microseconds in an interval.
    return duration(value.months, value.days, int(math.copysign(abs(value.nanoseconds) // 1000, value.nanoseconds)))


def duration(months: int, days: int, microseconds: int) -> str:
    """
    Write an interval as PostgreSQL does with ``IntervalStyle = iso_8601``.

    :param months: the months; whole years are written as such
    :param days: the days; a day is not 24 hours
    :param microseconds: the time part
    """
    sign = -1 if microseconds < 0 else 1
    seconds, fraction = divmod(abs(microseconds), _SECOND)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    years, months = int(months / 12), int(math.fmod(months, 12))
    date_part = "".join(f"{n}{unit}" for n, unit in ((years, "Y"), (months, "M"), (days, "D")) if n)
    time_part = "".join(f"{sign * n}{unit}" for n, unit in ((hours, "H"), (minutes, "M")) if n)
    if seconds or fraction:
        digits = f".{fraction:06d}".rstrip("0") if fraction else ""
        time_part += f"{'-' if sign < 0 else ''}{seconds}{digits}S"
    if not date_part and not time_part:
        return "PT0S"
    return "P" + date_part + ("T" + time_part if time_part else "")


def _json(value: Any) -> str:
    """Write nested values as compact JSON; numbers keep their digits, which json.dumps would not promise."""
    if value is None:
        return "null"
    if isinstance(value, bool | int | float | decimal.Decimal):
        return text(value) or ""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_json_string(text(k) or '')}:{_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple) and not isinstance(value, pa.MonthDayNano):
        return "[" + ",".join(map(_json, value)) + "]"
    return _json_string(text(value) or "")


def _json_string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


# The order matters: bool is an int, datetime is a date, MonthDayNano is a tuple.
_RULES: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (bool, lambda value: "true" if value else "false"),
    (int, str),
    (decimal.Decimal, _decimal),
    (float, _float),
    (dt.datetime, _timestamp),
    (dt.date, dt.date.isoformat),
    (dt.time, dt.time.isoformat),
    (dt.timedelta, _timedelta),
    (pa.MonthDayNano, _month_day_nano),
    ((bytes, bytearray), lambda value: value.hex()),
    (memoryview, lambda value: bytes(value).hex()),
    ((uuid.UUID, ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Interface, ipaddress.IPv6Interface), str),
    ((ipaddress.IPv4Network, ipaddress.IPv6Network), str),
    ((list, tuple, dict), _json),
)
