"""PostgreSQL's ranges as text: in the form that PostgreSQL reads, the bounds as values have them everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from psycopg.types.range import Range

from persado.pipeline.format.text import text

_NEEDS_QUOTES = re.compile(r'[\s"\\()\[\],]|\A\Z')


def range_text(convert: Callable[[Any], Any]) -> Callable[[Range[Any]], str]:
    """
    Give what makes a range into text: ``[2026-01-01,2026-02-01)``.

    :param convert: makes a bound, as psycopg gives it, into what :func:`persado.pipeline.format.text.text` takes
    """

    def bound(value: Any) -> str:
        found = "" if value is None else text(convert(value)) or ""
        if value is None or not _NEEDS_QUOTES.search(found):
            return found
        return '"' + re.sub(r'(["\\])', r"\1\1", found) + '"'

    def written(value: Range[Any]) -> str:
        if value.isempty:
            return "empty"
        opening, closing = "[" if value.lower_inc else "(", "]" if value.upper_inc else ")"
        return f"{opening}{bound(value.lower)},{bound(value.upper)}{closing}"

    return written


def multirange_text(written: Callable[[Range[Any]], str]) -> Callable[[Iterable[Range[Any]]], str]:
    """
    Give what makes several ranges into text: ``{[1,3),[5,7)}``.

    :param written: makes one into text
    """
    return lambda ranges: "{" + ",".join(map(written, ranges)) + "}"
