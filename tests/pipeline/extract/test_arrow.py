"""A driver that returns Arrow yields the same bytes as the usual driver of the same database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi
import adbc_driver_sqlite.dbapi
import psycopg
import pyarrow as pa
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support import postgres
from support.files.postgres_values import NOT_FINITE, OUT_OF_CALENDAR, ROW, TYPES, all_settings, rows
from support.files.tabular import cell_of, file_of, settings

from persado.errors import ConfigurationError
from persado.pipeline.extract.engines import formatted_text
from persado.pipeline.rows.row_spec import RowSpec

EXACT = (
    *("smallint", "int", "bigint", "numeric", "numeric(12,2)", "real", "float8", "bool", "text", "varchar", "char(4)"),
    *('"char"', "name", "uuid", "date", "timestamp", "timestamptz", "time", "interval", "bytea", "json", "jsonb"),
)
INEXACT = {
    "oid": "4294967295",
    "money": "'-1234.50'",
    "int[]": "ARRAY[[1, 2], [3, 4]]",
    "inet": "'10.0.0.1/8'",
    "bit(4)": "B'0101'",
    "timetz": "'05:06:07.5+02'",
    "point": "'(1,2.5)'",
}


@pytest.fixture(scope="module")
def pg() -> Iterator[psycopg.Connection[Any]]:
    with postgres.connect(autocommit=True) as connection:
        yield connection


@pytest.fixture
def adbc() -> Iterator[Any]:
    with closing(adbc_driver_postgresql.dbapi.connect(postgres.uri())) as connection:
        yield connection


def written(connection: Any, sql: str, **wanted: Any) -> bytes:
    """Return the file, and check that the rows were read as Arrow."""
    with formatted_text(connection, sql, RowSpec(), settings(**wanted)) as text:
        assert text.read_by == "arrow"
        return b"".join(block for _, _, block in text.blocks)


@pytest.mark.parametrize("type_", EXACT)
@pytest.mark.parametrize("quote_mode", ["special_characters", "all_non_numeric"])
def test_adbc_and_psycopg_write_the_same_file(type_: str, quote_mode: str, pg: Any, adbc: Any) -> None:
    sql = rows(type_, TYPES[type_])
    assert written(adbc, sql, quote_mode=quote_mode) == file_of(pg, sql, quote_mode=quote_mode)


@pytest.mark.parametrize("type_", INEXACT)
def test_types_that_adbc_does_not_return_exactly_are_refused(type_: str, adbc: Any) -> None:
    value = f"CAST({INEXACT[type_]} AS {type_})"
    with pytest.raises(ConfigurationError, match=r"column 'x': .* has no exact counterpart in Arrow; cast the column"):
        cell_of(adbc, value)
    adbc.rollback()
    assert cell_of(adbc, f"{value}::text")


@hypothesis_settings(max_examples=40, deadline=None, derandomize=True)
@hypothesis_given(st.lists(ROW, max_size=6), all_settings())
def test_random_values_and_settings_give_the_same_file(pg: Any, values: list[Any], wanted: dict[str, Any]) -> None:
    pg.execute("""
        DROP TABLE IF EXISTS given;
        CREATE TABLE given (t text, v varchar, i int, n numeric, f float8, r real, d date, s timestamp, z timestamptz,
            b bool)
    """)
    with pg.cursor() as cursor:
        cursor.executemany("INSERT INTO given VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", values)
    sql = "SELECT * FROM given ORDER BY ctid"
    with closing(adbc_driver_postgresql.dbapi.connect(postgres.uri())) as adbc:
        assert written(adbc, sql, **wanted) == file_of(pg, sql, **wanted)


@pytest.mark.parametrize(("type_", "value"), [*NOT_FINITE, *OUT_OF_CALENDAR])
def test_values_without_a_text_form_are_refused_with_row_and_column(type_: str, value: str, adbc: Any) -> None:
    sql = f"SELECT i, CASE WHEN i = 20001 THEN '{value}'::{type_} END AS x FROM generate_series(1, 30000) AS t(i)"
    with pytest.raises(ConfigurationError, match=r"^row 20001, column 'x': "):
        written(adbc, sql)


@pytest.mark.parametrize(("type_", "value"), NOT_FINITE)
def test_nan_and_infinity_use_nan_text(type_: str, value: str, pg: Any, adbc: Any) -> None:
    sql = f"SELECT '{value}'::{type_} AS x, NULL::{type_} AS y, 1::{type_} AS z"
    wanted = {"nan_text": "n/a", "quote_mode": "all_non_numeric"}
    assert written(adbc, sql, **wanted) == file_of(pg, sql, **wanted)


def test_adbc_and_sqlite3_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "given.sqlite"
    sql = "SELECT i, 'row, ' || i AS t, i * 0.25 AS f, CASE WHEN i % 3 THEN '' END AS e FROM given"
    with closing(sqlite3.connect(path)) as usual, usual:
        usual.execute("CREATE TABLE given (i INTEGER)")
        usual.executemany("INSERT INTO given VALUES (?)", [(i,) for i in range(25_000)])
    with (
        closing(sqlite3.connect(path)) as usual,
        closing(adbc_driver_sqlite.dbapi.connect(f"file:{path}")) as adbc,
    ):
        assert written(adbc, sql) == file_of(usual, sql)


@pytest.mark.parametrize("sql", ["CREATE TEMPORARY TABLE made (x int)", "SELECT 1 AS a; SELECT 2 AS a", "SELEC"])
def test_only_one_select_is_run(sql: str, adbc: Any) -> None:
    with pytest.raises(ConfigurationError, match="expected one SELECT statement"):
        written(adbc, sql)


def test_reading_continues_after_a_batch_without_rows() -> None:
    schema = pa.schema([("a", pa.int64())])
    batches = [pa.RecordBatch.from_pylist(rows, schema=schema) for rows in ([], [{"a": 1}], [], [{"a": 2}], [])]

    class Cursor(adbc_driver_sqlite.dbapi.Cursor):
        """Returns the rows in chunks, some of them empty, as some warehouse drivers do."""

        def fetch_record_batch(self) -> pa.RecordBatchReader:
            return pa.RecordBatchReader.from_batches(schema, batches)

    class Connection(adbc_driver_sqlite.dbapi.Connection):
        def cursor(self, **arguments: Any) -> Cursor:
            return Cursor(self, **arguments)

    with closing(adbc_driver_sqlite.dbapi.connect()) as plain:
        plain.__class__ = Connection
        with formatted_text(plain, "SELECT 1 AS a", RowSpec(), settings()) as text:
            assert b"".join(block for _, _, block in text.blocks) == b"a\n1\n2\n"
