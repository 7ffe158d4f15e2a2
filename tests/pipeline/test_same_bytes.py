"""The same query in PostgreSQL and DuckDB produces the same bytes for all values, settings and paths."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import duckdb
import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support import postgres
from support.files.tabular import file_of, settings

from persado.pipeline.extract.engines import formatted_text
from persado.pipeline.format.columns import mixed
from persado.pipeline.format.split import parts
from persado.pipeline.rows.row_spec import RowSpec
from persado.settings.models.effective import Settings


class Value(NamedTuple):
    """A value in SQL, and its expected text."""

    sql: str
    text: str


class Kind(NamedTuple):
    """A type that exists in both databases."""

    type: str
    values: st.SearchStrategy[Value]
    number: bool = False


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def array(kind: str, members: st.SearchStrategy[Value | None], *, quotes: bool) -> Kind:
    """Return an array type whose members are numbers or JSON strings."""

    def made(found: list[Value | None]) -> Value:
        sql = ", ".join("NULL" if member is None else member.sql for member in found)
        texts = ["null" if v is None else json.dumps(v.text, ensure_ascii=False) if quotes else v.text for v in found]
        return Value(f"ARRAY[{sql}]", f"[{','.join(texts)}]")

    return Kind(f"{kind}[]", st.lists(members, max_size=3).map(made))


def interval(months: int, days: int, microseconds: int) -> Value:
    """Return an interval whose parts are not negative, which makes its text simple."""
    years, rest = divmod(months, 12)
    seconds, fraction = divmod(microseconds, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    found = "".join(f"{n}{unit}" for n, unit in ((years, "Y"), (rest, "M"), (days, "D")) if n)
    time = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minute, "M")) if n)
    time += f"{second}.{fraction:06d}".rstrip("0").rstrip(".") + "S" if second or fraction else ""
    text = f"P{found}{'T' + time if time else ''}"
    sql = f"'{months} months {days} days {seconds} seconds {fraction} microseconds'"
    return Value(sql, text if len(text) > 1 else "PT0S")


PIECES = [*"aé🙂,;|\t\"'\\\n\r #$1eN.\x01\xa0", "\r\n", "NULL", "\\."]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=5).map("".join).map(lambda text: Value(quoted(text), text))
MOMENTS = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)) | st.datetimes(
    dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)
).map(lambda moment: moment.replace(microsecond=0))
OFFSETS = st.sampled_from([0, 330, -480, 840])
DOUBLES = (
    st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([-0.0, 1e15, 1e16, 1e22, 1e-4, 9.9e-5, 5e-324])
).map(lambda number: Value(f"'{number!r}'", repr(number)))


def _aware(moment: dt.datetime, offset: int) -> Value:
    zone = dt.timezone(dt.timedelta(minutes=offset))
    return Value(f"'{moment.replace(tzinfo=zone)}'", f"{moment - dt.timedelta(minutes=offset)}+00:00")


def _single(number: float) -> Value:
    shortest = np.format_float_scientific(np.float32(number), unique=True, trim="-")
    return Value(f"'{shortest}'", repr(float(shortest)))


KINDS = [
    Kind("text", TEXTS),
    Kind("bigint", st.integers(-(2**63), 2**63 - 1).map(lambda n: Value(f"'{n}'", str(n))), number=True),
    Kind(
        "numeric(38,7)",
        st.decimals(-(10**20), 10**20, places=7).map(lambda n: Value(f"'{n:f}'", f"{abs(n) if n == 0 else n:f}")),
        number=True,
    ),
    Kind("float8", DOUBLES, number=True),
    Kind("real", st.floats(allow_nan=False, allow_infinity=False, width=32).map(_single), number=True),
    Kind("boolean", st.booleans().map(lambda truth: Value(str(truth), str(truth).lower()))),
    Kind("date", st.dates(dt.date(1, 1, 1)).map(lambda day: Value(f"'{day}'", str(day)))),
    Kind("timestamp", MOMENTS.map(lambda moment: Value(f"'{moment}'", str(moment)))),
    Kind("timestamptz", st.builds(_aware, MOMENTS, OFFSETS)),
    Kind("time", st.times().map(lambda time: Value(f"'{time}'", str(time)))),
    Kind("timetz", st.times().map(lambda time: Value(f"'{time}+05:30'", f"{time}+05:30"))),
    Kind("interval", st.builds(interval, st.integers(0, 500), st.integers(0, 400), st.integers(0, 10**12))),
    Kind("bytea", st.text("ab~ ", max_size=3).map(lambda text: Value(quoted(text), text.encode().hex()))),
    Kind("uuid", st.integers(0, 2**128 - 1).map(lambda n: uuid.UUID(int=n)).map(lambda u: Value(f"'{u}'", str(u)))),
    Kind("json", st.sampled_from(['{"a":  1.10}', "[1e400]", '"x\\ny"', "null"]).map(lambda j: Value(quoted(j), j))),
    array("text", st.none() | TEXTS, quotes=True),
    array("int", st.none() | st.integers(-9, 9).map(lambda n: Value(str(n), str(n))), quotes=False),
    array("float8", st.none() | DOUBLES, quotes=False),
]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Kind], list[list[Value | None]]]:
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    rows = st.tuples(*(st.none() | kind.values for kind in kinds)).map(list)
    return kinds, draw(st.lists(rows, min_size=1, max_size=5))


@st.composite
def all_settings(draw: st.DrawFn) -> Settings:
    delimiter, escape = draw(st.sampled_from([*",\t|;:é"])), draw(st.sampled_from([None, *"\\'^"]))
    null_text = draw(st.sampled_from(["", "NULL", "n/a"]))
    assume(delimiter != escape)
    return settings(
        file_format="custom",
        delimiter=delimiter,
        escape_character=escape,
        null_text=null_text,
        quote_mode=draw(st.sampled_from(["all", "all_non_null", "special_characters", "all_non_numeric", "none"])),
        line_ending=draw(st.sampled_from(["LF", "CRLF"])),
        row_number=draw(st.sampled_from([None, "n"])),
    )


@pytest.fixture(scope="module")
def databases() -> Iterator[list[Any]]:
    with postgres.connect() as pg, duckdb.connect() as duck:
        pg.execute("SET TimeZone = 'Asia/Kolkata'")
        pg.commit()
        duck.execute("SET TimeZone = 'America/New_York'")
        yield [pg, duck]


@hypothesis_settings(max_examples=120, deadline=None, derandomize=True)
@given(tables(), all_settings())
def test_both_databases_produce_the_same_bytes_by_every_path(
    databases: list[Any], table: tuple[list[Kind], list[list[Value | None]]], wanted: Settings
) -> None:
    kinds, rows = table
    names = [f"c{number}" for number in range(len(kinds))]
    selects = []
    for number, row in enumerate(rows):
        values = [
            f"CAST({'NULL' if value is None else value.sql} AS {kind.type}) AS {name}"
            for value, kind, name in zip(row, kinds, names, strict=True)
        ]
        selects.append(f"SELECT {', '.join(values)}, {number} AS o")
    sql = f"SELECT {', '.join(names)} FROM ({' UNION ALL '.join(selects)}) AS t ORDER BY o"
    texts = [[None if value is None else value.text for value in column] for column in zip(*rows, strict=True)]
    columns = [
        mixed(column, number=True) if kind.number else pa.array(column, pa.string())
        for column, kind in zip(texts, kinds, strict=True)
    ]
    batch = pa.RecordBatch.from_arrays(columns, names=names)
    expected = b"".join(text for _, _, text in parts([batch], names, wanted))
    for connection in databases:
        assert file_of(connection, sql, **wanted.model_dump()) == expected
        assert streamed(connection, sql, wanted) == expected


def streamed(connection: Any, sql: str, wanted: Settings) -> bytes:
    """Return the text as in a streamed delivery: by COPY where possible."""
    with formatted_text(connection, sql, RowSpec(), wanted) as text:
        found = b"".join(block for _, _, block in text.blocks)
    if isinstance(connection, psycopg.Connection):
        connection.rollback()
    return found
