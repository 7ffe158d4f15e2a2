"""
SQL that gives a PostgreSQL value the text of :mod:`persado.pipeline.format.text`.

What SQL cannot say exactly it marks: floats that PostgreSQL writes with an exponent, dates outside of the calendar,
NaN. A mark begins and ends with a text that nobody can guess, so that no value can look like one.
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
"""Told the number of the rule and of the row where a value is not what is expected."""


@dataclass(frozen=True)
class Expression:
    """
    How a column is written.

    :param sql: gives the text
    :param number: whether its values are numbers
    :param casts: makes it a text of SQL, whatever its type; empty where nothing does
    :param carries: whether it is a text, in whose place a mark can stand
    :param alone: the column itself, where COPY writes the same text as long as ``odd`` is not true
    :param odd: when there is no text
    :param mark: the mark for that
    """

    sql: str
    number: bool = False
    casts: str = "::text"
    carries: bool = False
    alone: str = ""
    odd: str = ""
    mark: str = ""

    @property
    def text(self) -> str:
        """The same as a text of SQL."""
        return f"({self.sql}){self.casts}"


def expressions(connection: Any, oids: Sequence[int], marks: Marks, nan_text: str | None) -> list[Expression] | None:
    """
    Give the SQL for each column of a query, which are called c0, c1 and so on.

    :param connection: an open psycopg connection
    :param oids: the columns' types
    :param marks: of this delivery
    :param nan_text: the text of NaN and the infinities; None refuses them
    :return: None where SQL has no exact text for one of the types
    """
    from psycopg.rows import tuple_row

    with connection.cursor(row_factory=tuple_row) as cursor:
        types = dict(cursor.execute(_CATALOGUE, [list(oids)]).fetchall())
    templates = [_TEMPLATES.get(types[oid]) for oid in oids]
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII" or not all(templates):
        return None  # such a server lets through what is no UTF-8
    found = []
    for position, (oid, template) in enumerate(zip(oids, templates, strict=True)):
        type_, column = types[oid], partial(_filled, position=position, marks=marks, nan_text=nan_text)
        found.append(
            Expression(
                column(template or ""),
                number=type_ in _NUMBERS,
                casts="" if type_ == "bpchar" else "::text",  # which would cut the blanks at its end
                carries=type_ in {"text", "varchar"},
                **{key: column(sql) for key, sql in _ALONE.get(type_, {}).items() if nan_text is None},
            )
        )
    return found


def relieved(sent: Sequence[Expression]) -> list[Expression]:
    """
    Have a column of text carry the marks of those that COPY could write itself: their casts to text cost the most.

    :param sent: the columns
    """
    alone = [e for e in sent if e.alone]
    carrier = next((e for e in sent if e.carries), None)
    if not alone or carrier is None:
        return list(sent)
    marks = " ".join(f"WHEN {e.odd} THEN {e.mark}" for e in alone)
    carrying = replace(carrier, sql=f"CASE {marks} ELSE {carrier.sql} END")
    return [carrying if e is carrier else replace(e, sql=e.alone) if e.alone else e for e in sent]


# The base type of a domain; an enum, or a type of an extension that is no array, is "own".
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
    """Write a text as SQL, whatever ``standard_conforming_strings`` says."""
    return " E'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


@dataclass(frozen=True)
class Marks:
    """
    The marks of one delivery.

    :param edge: what a mark begins and ends with
    """

    edge: str = field(default_factory=lambda: RARE + secrets.token_hex(16))

    def sql(self, kind: str, position: int, *, end: str | None = None) -> str:
        """Write a mark as SQL."""
        return literal(f"{self.edge}{kind}{position:04d}{self.edge if end is None else end}")

    def judged(self, value: Expression, number: int, pattern: str) -> Expression:
        """
        Mark the values that do not match a pattern.

        :param value: the column
        :param number: the rule's number
        :param pattern: what the text of a value must match; where it is empty, there must be a value
        """
        # PostgreSQL writes the ends of a text in another way than Arrow.
        wanted = pattern.replace("\\A", "^").replace("\\z", "$")
        broken = (
            f"{value.text} <> '' AND {value.text} !~ {literal(wanted)}"
            if wanted
            else f"coalesce({value.text}, '') = ''"
        )
        return Expression(f"CASE WHEN {broken} THEN {self.sql(_BROKEN, number)} ELSE {value.text} END", value.number)

    def resolved(self, text: bytes, names: Sequence[str], first_row: int, broken: OnBroken) -> bytes:
        """
        Put what is meant where a mark is.

        :param text: whole rows
        :param names: the names of the query's columns, for errors
        :param first_row: the number of the first row
        :param broken: told what breaks the contract
        :raises ConfigurationError: for a value that has no text, with its row and column, never the value
        """
        edge = self.edge.encode()
        if edge[:1] not in text or edge not in text:  # one character is found much faster
            return text
        mark = re.compile(rb"%b([a-z])(\d{4})(.*?)%b" % (edge, edge))
        if any(found[1].decode() != _FLOAT for found in mark.finditer(text)):
            for row, found in _in_rows(text, mark, first_row):
                if found[1].decode() == _BROKEN:
                    broken(int(found[2]), row)
                if problem := _problem(found):
                    raise ConfigurationError(f"row {row}, column {names[int(found[2])]!r}: {problem}")
        return mark.sub(lambda found: _float(found).encode(), text)


def _in_rows(text: bytes, mark: re.Pattern[bytes], first_row: int) -> Iterator[tuple[int, re.Match[bytes]]]:
    """Give each mark with the number of its row: a line break inside of quotes ends none."""
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
# PostgreSQL leaves zeros at the end of a fraction out; to pad where there are none would cost most of all.
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
_ALONE = {
    "numeric": {"alone": "@", "odd": "scale(@) IS NULL AND @ IS NOT NULL", "mark": "{nan}"},
    "date": {"alone": "@", "odd": "@ NOT BETWEEN '0001-01-01' AND '9999-12-31'", "mark": "{odd_year}"},
}
_NUMBERS = {"int2", "int4", "int8", "oid", "numeric", "float4", "float8"}
