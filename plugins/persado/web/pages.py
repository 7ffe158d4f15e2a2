"""The page's templates, and the filters that format numbers and times in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.filesize import decimal


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return a template, given by file name, filled in with values; every value is escaped."""
    return _ENVIRONMENT.get_template(template).render(values)


def count(number: float | None) -> str:
    """Format a number with separators: ``24,000``; a dash for None."""
    return "–" if number is None else f"{number:,.0f}"


def size(number: float | None) -> str:
    """Format a number of bytes: ``1.2 MB``; a dash for None."""
    return "–" if number is None else decimal(int(number))


def duration(seconds: float | None) -> str:
    """Format a duration: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``; a dash for None."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def moment(at: datetime) -> str:
    """Format a time in UTC: ``2026-11-23 04:05:06 UTC``."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def day(at: datetime) -> str:
    """Format the date of a time in UTC: ``2026-11-23``."""
    return f"{at.astimezone(UTC):%Y-%m-%d}"


def grouped(digits: str) -> str:
    """Format an OpenPGP fingerprint in groups of four digits, as gpg does."""
    return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "count": count,
    "size": size,
    "duration": duration,
    "moment": moment,
    "day": day,
    "grouped": grouped,
    "in_path": partial(quote, safe=""),
    "in_query": urlencode,
}
