"""Python's CSV writer writes the rows of a DB-API driver byte for byte as the path through Arrow does."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support.files.tabular import file_of, settings

from persado.errors import ConfigurationError
from persado.pipeline.extract.dbapi import FIRST_ROWS
from persado.pipeline.extract.engines import formatted_text
from persado.pipeline.rows.row_spec import RowSpec
from persado.settings.models.columns import Column
from persado.settings.models.effective import Settings

PIECES = [*"aé🙂,;|\t\"'\\\n\r #!$1e:^.\x01\x7f\xa0", "\r\n", "\\.", ", ", '",', "NULL", ""]
TEXT = st.lists(st.sampled_from(PIECES), max_size=5).map("".join)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
VALUE = st.none() | TEXT | st.integers(-(2**63), 2**63 - 1) | FLOAT
ANY_VALUE = VALUE | st.binary(max_size=3)


@pytest.fixture(scope="module")
def lite() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE given (a, b, c)")
        yield connection


def written(connection: Any, sql: str, wanted: Settings, row_spec: RowSpec | None = None) -> bytes:
    """Return the file."""
    with formatted_text(connection, sql, row_spec or RowSpec(), wanted) as text:
        assert text.read_by == "dbapi"
        return b"".join(block for _, _, block in text.blocks)


@st.composite
def all_settings(draw: st.DrawFn) -> dict[str, Any]:
    delimiter, escape = draw(st.sampled_from([*",\t|; #1é"])), draw(st.sampled_from([None, *"\\\"^'#!"]))
    assume(escape != delimiter)
    line_ending = draw(st.sampled_from(["LF", "CRLF"]))
    return {"file_format": "custom", "delimiter": delimiter, "escape_character": escape, "line_ending": line_ending}


@hypothesis_settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(VALUE, VALUE, VALUE), max_size=5) | st.lists(st.tuples(TEXT, ANY_VALUE, VALUE), max_size=4),
    all_settings(),
    st.sampled_from(["*", "a", "c, a"]),
)
def test_random_values_and_settings_give_the_same_file(
    lite: Any, rows: list[Any], wanted: dict[str, Any], columns: str
) -> None:
    lite.execute("PRAGMA query_only = OFF")
    lite.execute("DELETE FROM given")
    lite.executemany("INSERT INTO given VALUES (?, ?, ?)", rows)
    sql = f"SELECT {columns} FROM given ORDER BY rowid"
    assert written(lite, sql, settings(**wanted)) == file_of(lite, sql, **wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        {"quote_mode": "all"},
        {"quote_mode": "all_non_numeric"},
        {"null_text": "NULL"},
        {"row_number": "n"},
        {"split": {"rows": 50_000}},
    ],
    ids=str,
)
def test_settings_that_are_not_honoured_give_the_same_file(wanted: dict[str, Any]) -> None:
    sql = "SELECT 1 AS a, '' AS b, NULL AS c UNION ALL SELECT 2, ' x', 'y'"
    with closing(sqlite3.connect(":memory:")) as connection:
        assert written(connection, sql, settings(**wanted)) == file_of(connection, sql, **wanted)


SERIES = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < 25000) "


def test_later_batches_may_contain_other_kinds_of_values() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for odd in ("''", "'a b '", "x'01'", "1.5", "9.0e300", "NULL", "char(13)"):
            sql = SERIES + f"SELECT i, CASE WHEN i = 24000 THEN {odd} WHEN i % 3 THEN 'x' END AS x FROM t"
            assert written(connection, sql, settings()) == file_of(connection, sql)


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        ("9e999", "row 24000, column 'x': NaN or Infinity has no agreed text"),
        ("CAST(x'EDA080' AS TEXT)", "not valid UTF-8"),
    ],
)
def test_values_without_a_text_form_are_refused(odd: str, problem: str) -> None:
    sql = SERIES + f"SELECT i, CASE WHEN i = 24000 THEN {odd} END AS x FROM t"
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(ConfigurationError, match=problem):
        written(connection, sql, settings())


def test_selected_columns_are_written() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        sql = "SELECT 1 AS a, 'x' AS b, NULL AS c"
        chosen = RowSpec(columns=(Column(name="again", from_="B"), Column(name="c"), Column(name="b")))
        assert written(connection, sql, settings(), chosen) == b"again,c,b\nx,,x\n"
        constant = RowSpec(columns=(Column(name="c"), Column(name="k", value="v")))
        assert written(connection, sql, settings(), constant) == b"c,k\n,v\n"
        with pytest.raises(ConfigurationError, match="wants the column 'd', which the query does not return"):
            written(connection, sql, settings(), RowSpec(columns=(Column(name="d"),)))
        with pytest.raises(ConfigurationError, match="several columns named a"):
            written(connection, "SELECT 1 AS a, 2 AS a", settings())


class Cursor:
    """A DB-API cursor over fixed rows."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self.rows = rows
        self.description = [(name, *[None] * 6) for name in ("a", "b")]

    def execute(self, sql: str) -> None:
        pass

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        taken, self.rows = self.rows[:size], self.rows[size:]
        return taken

    def close(self) -> None:
        pass


class Connection:
    """A DB-API connection whose values are Python objects."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self.rows = rows

    def cursor(self) -> Cursor:
        return Cursor(list(self.rows))


NOON = dt.datetime(2026, 1, 2, 12, 0, tzinfo=dt.timezone(dt.timedelta(hours=2)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (Decimal("1E+2"), "100"),
        (NOON, "2026-01-02 10:00:00+00:00"),
        (b"\x01", "01"),
        ([1, None], '"[1,null]"'),
        (dt.date(2026, 1, 2), "2026-01-02"),
        ("\n", '"\n"'),
        (10**30, "1" + 30 * "0"),
    ],
)
def test_types_of_other_drivers_are_written(value: Any, text: str) -> None:
    rows: list[tuple[Any, ...]] = [(number, "x") for number in range(FIRST_ROWS)] + [(1, value), (2, None)]
    assert written(Connection(rows), "SELECT", settings()).endswith(f"999,x\n1,{text}\n2,\n".encode())
