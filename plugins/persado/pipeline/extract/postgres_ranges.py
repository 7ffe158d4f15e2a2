"""Format PostgreSQL's ranges as text: in PostgreSQL's form, with bounds formatted like all other values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from psycopg.types.range import Range

from persado.pipeline.format.text import text

_NEEDS_QUOTES = re.compile(r'[\s"\\()\[\],]|\A\Z')


def range_text(convert: Callable[[Any], Any]) -> Callable[[Range[Any]], str]:
    """
    Return a function that formats a range: ``[2026-01-01,2026-02-01)``.

    :param convert: converts a bound from psycopg for :func:`persado.pipeline.format.text.text`
    """

    def bound(value: Any) -> str:
        found = "" if value is None else text(convert(value)) or ""
        if value is None or not _NEEDS_QUOTES.search(found):
            return found
        return '"' + re.sub(r'(["\\])', r"\1\1", found) + '"'

    def format_range(value: Range[Any]) -> str:
        if value.isempty:
            return "empty"
        opening, closing = "[" if value.lower_inc else "(", "]" if value.upper_inc else ")"
        return f"{opening}{bound(value.lower)},{bound(value.upper)}{closing}"

    return format_range


def multirange_text(format_range: Callable[[Range[Any]], str]) -> Callable[[Iterable[Range[Any]]], str]:
    """Return a function that formats a multirange: ``{[1,3),[5,7)}``."""
    return lambda ranges: "{" + ",".join(map(format_range, ranges)) + "}"
