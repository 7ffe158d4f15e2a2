"""
SQL that formats PostgreSQL values like :mod:`persado.pipeline.format.text`.

Where SQL cannot produce the exact text, it writes a mark instead: for floats that PostgreSQL writes with an exponent,
dates outside the calendar, and NaN. A mark begins and ends with a random text, so that no value can look like one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from persado.errors import ConfigurationError
from persado.pipeline.format.text import NO_NAN, ODD_YEAR, text

RARE = "\x02"
"""The first character of every mark."""

_ODD_YEAR, _NAN, _FLOAT, _BROKEN = "y", "n", "f", "b"

OnBroken = Callable[[int, int], None]
"""Called with the number of the broken rule and the number of the row."""


@dataclass(frozen=True)
class Expression:
    """
    The SQL of a column.

    :param sql: yields the text of the value
    :param number: whether the values are numbers
    :param cast: casts ``sql`` to SQL's type text; empty if no cast keeps the value
    :param carries_marks: whether the column is text, so that a mark may replace its value
    :param bare: the column without a cast; COPY writes the same text for it unless ``odd`` is true
    :param odd: the condition under which the value has no text form
    :param mark: the mark for such a value
    """

    sql: str
    number: bool = False
    cast: str = "::text"
    carries_marks: bool = False
    bare: str = ""
    odd: str = ""
    mark: str = ""

    @property
    def text(self) -> str:
        """The value as SQL's type text."""
        return f"({self.sql}){self.cast}"


def expressions(connection: Any, oids: Sequence[int], marks: Marks, nan_text: str | None) -> list[Expression] | None:
    """
    Return the SQL for the columns c0, c1, … of a query.

    :param connection: an open psycopg connection
    :param oids: the types of the columns
    :param marks: the marks of this delivery
    :param nan_text: the text for NaN and infinities; None refuses them
    :return: None if SQL has no exact text for one of the types
    """
    from psycopg.rows import tuple_row

    with connection.cursor(row_factory=tuple_row) as cursor:
        types = dict(cursor.execute(_CATALOGUE, [list(oids)]).fetchall())
    templates = [_TEMPLATES.get(types[oid]) for oid in oids]
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII" or not all(templates):
        return None  # SQL_ASCII: the server does not check that text is valid UTF-8
    found = []
    for position, (oid, template) in enumerate(zip(oids, templates, strict=True)):
        type_, column = types[oid], partial(_filled, position=position, marks=marks, nan_text=nan_text)
        found.append(
            Expression(
                column(template or ""),
                number=type_ in _NUMBERS,
                cast="" if type_ == "bpchar" else "::text",  # the cast would strip trailing blanks
                carries_marks=type_ in {"text", "varchar"},
                **{key: column(sql) for key, sql in _BARE.get(type_, {}).items() if nan_text is None},
            )
        )
    return found


def share_marks(sent: Sequence[Expression]) -> list[Expression]:
    """
    Let one text column carry the marks of the columns that COPY can write without a cast.

    Casting those columns to text would be the most expensive part of the query.
    """
    bare = [e for e in sent if e.bare]
    carrier = next((e for e in sent if e.carries_marks), None)
    if not bare or carrier is None:
        return list(sent)
    marks = " ".join(f"WHEN {e.odd} THEN {e.mark}" for e in bare)
    carrying = replace(carrier, sql=f"CASE {marks} ELSE {carrier.sql} END")
    return [carrying if e is carrier else replace(e, sql=e.bare) if e.bare else e for e in sent]


# Resolves domains to their base types. Enums, and types of extensions that are not arrays, are "own".
_CATALOGUE = """
WITH RECURSIVE base (oid, type) AS (
  SELECT oid, oid FROM unnest(%s::oid[]) AS given (oid)
  UNION SELECT base.oid, typbasetype FROM base JOIN pg_type ON pg_type.oid = type AND typtype = 'd'
)
SELECT base.oid::bigint, CASE WHEN typtype = 'e' OR (typtype = 'b' AND typcategory <> 'A'
  AND typnamespace <> 'pg_catalog'::regnamespace) THEN 'own' ELSE typname::text END
FROM base JOIN pg_type ON pg_type.oid = type AND typtype <> 'd'
"""


def _filled(template: str, position: int, marks: Marks, nan_text: str | None) -> str:
    column = f"c{position}"
    nan = marks.sql(_NAN, position) if nan_text is None else literal(nan_text)
    pieces = {
        "@": column,
        "{odd_year}": marks.sql(_ODD_YEAR, position),
        "{nan}": nan,
        "{float}": f"{marks.sql(_FLOAT, position, end='')} || {column}::text || {literal(marks.edge)}",
    }
    return re.sub("@|{[a-z_]+}", lambda found: pieces[found[0]], template)


def literal(value: str) -> str:
    """Return a text as an SQL literal that does not depend on ``standard_conforming_strings``."""
    return " E'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


@dataclass(frozen=True)
class Marks:
    """
    The marks of one delivery.

    :param edge: the text at both ends of a mark
    """

    edge: str = field(default_factory=lambda: RARE + secrets.token_hex(16))

    def sql(self, kind: str, position: int, *, end: str | None = None) -> str:
        """Return a mark as SQL."""
        return literal(f"{self.edge}{kind}{position:04d}{self.edge if end is None else end}")

    def mark_broken(self, value: Expression, number: int, pattern: str) -> Expression:
        """
        Mark the values that break a rule of the contract.

        :param value: the column
        :param number: the number of the rule
        :param pattern: what the text of a value must match; if empty, the value must not be empty or NULL
        """
        # PostgreSQL's regular expressions write the start and end of a text differently than Arrow's.
        wanted = pattern.replace("\\A", "^").replace("\\z", "$")
        broken = (
            f"{value.text} <> '' AND {value.text} !~ {literal(wanted)}"
            if wanted
            else f"coalesce({value.text}, '') = ''"
        )
        return Expression(f"CASE WHEN {broken} THEN {self.sql(_BROKEN, number)} ELSE {value.text} END", value.number)

    def resolve(self, text: bytes, names: Sequence[str], first_row: int, on_broken: OnBroken) -> bytes:
        """
        Replace the marks with the text that they stand for.

        :param text: whole rows
        :param names: the names of the query's columns, for errors
        :param first_row: the number of the first row
        :param on_broken: called for each value that breaks the contract
        :raises ConfigurationError: if a value has no text form; names its row and column, never the value
        """
        edge = self.edge.encode()
        if edge[:1] not in text or edge not in text:  # searching for one character is much faster
            return text
        mark = re.compile(rb"%b([a-z])(\d{4})(.*?)%b" % (edge, edge))
        if any(found[1].decode() != _FLOAT for found in mark.finditer(text)):
            for row, found in _in_rows(text, mark, first_row):
                if found[1].decode() == _BROKEN:
                    on_broken(int(found[2]), row)
                if problem := _problem(found):
                    raise ConfigurationError(f"row {row}, column {names[int(found[2])]!r}: {problem}")
        return mark.sub(lambda found: _float(found).encode(), text)


def _in_rows(text: bytes, mark: re.Pattern[bytes], first_row: int) -> Iterator[tuple[int, re.Match[bytes]]]:
    """Yield each mark with its row number; a line break inside quotes does not end a row."""
    row, quoted = first_row, False
    for found in re.finditer(rb'"|\n|' + mark.pattern, text):
        if found[0] == b'"':
            quoted = not quoted
        elif found[0] == b"\n":
            row += not quoted
        else:
            yield row, found


def _problem(found: re.Match[bytes]) -> str | None:
    return {_ODD_YEAR: ODD_YEAR, _NAN: NO_NAN}.get(found[1].decode())


def _float(found: re.Match[bytes]) -> str:
    return (text(float(found[3])) or "") if found[1].decode() == _FLOAT else ""


_PLAIN = "@"
# Between these bounds PostgreSQL and Python write the same digits without an exponent; scale() is NULL for NaN.
_FLOAT_SQL = (
    "CASE WHEN @ = 0 OR (abs(@) >= 1e-4 AND abs(@) < {bound}) "
    "THEN CASE WHEN @ = floor(@) THEN @::text || '.0' ELSE @::text END "
    "WHEN @ IN ('NaN', 'Infinity', '-Infinity') THEN {{nan}} WHEN @ IS NOT NULL THEN {{float}} END"
)
_NUMERIC = "CASE WHEN scale(@) IS NOT NULL THEN @::text WHEN @ IS NOT NULL THEN {nan} END"
_DATE = "CASE WHEN @ BETWEEN '0001-01-01' AND '9999-12-31' THEN @::text WHEN @ IS NOT NULL THEN {odd_year} END"
# PostgreSQL omits trailing zeros of a fraction. Padding is expensive, so it is done only where zeros are missing.
_TIMESTAMP = (
    "CASE WHEN @ >= '0001-01-01' AND @ < '10000-01-01' "
    "THEN CASE WHEN @::timestamp(0) = @ OR @::timestamp(5) <> @ THEN @::text ELSE rpad(@::text, 26, '0') END "
    "WHEN @ IS NOT NULL THEN {odd_year} END"
)
_IN_UTC = "timezone(interval '0', @)"
_TIMESTAMP_WITH_ZONE = (
    "CASE WHEN @ >= '0001-01-01 00:00:00+00' AND @ < '10000-01-01 00:00:00+00' "
    f"THEN CASE WHEN @::timestamptz(0) = @ OR @::timestamptz(5) <> @ THEN {_IN_UTC}::text || '+00:00' "
    f"ELSE rpad({_IN_UTC}::text, 26, '0') || '+00:00' END "
    "WHEN @ IS NOT NULL THEN {odd_year} END"
)
_ARRAY = "array_to_json(@)::text"

_TEMPLATES = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), _PLAIN),
    **dict.fromkeys(("text", "varchar", "bpchar", "char", "name", "xml", "own"), _PLAIN),
    **dict.fromkeys(("uuid", "inet", "cidr", "macaddr", "macaddr8", "json", "jsonb", "bit", "varbit"), _PLAIN),
    "interval": _PLAIN,
    "bool": "CASE WHEN @ THEN 'true' WHEN NOT @ THEN 'false' END",
    "numeric": _NUMERIC,
    "float4": _FLOAT_SQL.format(bound="1e6"),
    "float8": _FLOAT_SQL.format(bound="1e15"),
    "date": _DATE,
    "timestamp": _TIMESTAMP,
    "timestamptz": _TIMESTAMP_WITH_ZONE,
    "time": "CASE WHEN @::time(0) = @ OR @::time(5) <> @ THEN @::text ELSE rpad(@::text, 15, '0') END",
    "bytea": "encode(@, 'hex')",
    **dict.fromkeys(("_int2", "_int4", "_int8", "_text", "_varchar", "_bool", "_uuid"), _ARRAY),
}
_BARE = {
    "numeric": {"bare": "@", "odd": "scale(@) IS NULL AND @ IS NOT NULL", "mark": "{nan}"},
    "date": {"bare": "@", "odd": "@ NOT BETWEEN '0001-01-01' AND '9999-12-31'", "mark": "{odd_year}"},
}
_NUMBERS = {"int2", "int4", "int8", "oid", "numeric", "float4", "float8"}
