"""Any DB-API connection yields all rows of one SELECT, in order and in bounded memory."""

from __future__ import annotations

import resource
import sqlite3
from contextlib import closing
from typing import Any

import duckdb
import psycopg
import pymysql
import pytest
from support import postgres
from support.files.tabular import file_of, rows_of
from support.warehouses import CONNECT

from persado.errors import ConfigurationError
from persado.pipeline.extract.dbapi import FIRST_ROWS, open_cursor
from persado.pipeline.extract.engines import extract
from persado.pipeline.rows.rows import BATCH_ROWS


def test_sqlite_columns_may_mix_types() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (x, n NUMERIC)")
        values = [(1, 1), ("1", 1.5), (1.0, None), (None, "x"), (b"\x01", 2**63 - 1), ("", 0.1)]
        connection.executemany("INSERT INTO t VALUES (?, ?)", values)
        assert file_of(connection, "SELECT * FROM t", quote_mode="all_non_numeric") == (
            b'"x","n"\n1,1\n"1",1.5\n1.0,\n,"x"\n"01",9223372036854775807\n"",0.1\n'
        )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS a",
        "SELECT 1 AS a;",
        " SELECT 1 AS a ; -- done\n",
        "-- first\n/* also */ SELECT 1 AS a /* last */",
        "WITH t AS (SELECT 1 AS a) SELECT * FROM t -- no line end",
    ],
)
def test_query_may_contain_a_semicolon_and_comments(sql: str, warehouse: Any) -> None:
    assert file_of(warehouse, sql) == b"a\n1\n"


def test_result_without_rows_has_a_header(warehouse: Any) -> None:
    assert file_of(warehouse, 'SELECT 1 AS a, 2 AS "B c" WHERE 1 = 0') == b"a,B c\n"


def test_duplicate_column_names_are_refused(warehouse: Any) -> None:
    with pytest.raises(ConfigurationError, match="several columns named a; rename them with AS"):
        rows_of(warehouse, "SELECT 1 AS a, 2 AS a")


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- nothing",
        "SELECT 1; SELECT 2",
        "CREATE TABLE made (x int)",
        "INSERT INTO t VALUES (1)",
        "DELETE FROM t",
        "DROP TABLE t",
        "SELECT 1; DROP TABLE t",
        "DROP TABLE t; SELECT 1",
    ],
)
def test_only_one_select_is_run(sql: str, warehouse: Any) -> None:
    warehouse.execute("CREATE TEMPORARY TABLE t (x int)")
    warehouse.execute("INSERT INTO t VALUES (7)")
    if hasattr(warehouse, "commit"):
        warehouse.commit()
    with pytest.raises(ConfigurationError):
        rows_of(warehouse, sql)
    if hasattr(warehouse, "rollback") and not isinstance(warehouse, duckdb.DuckDBPyConnection):
        warehouse.rollback()
    assert rows_of(warehouse, "SELECT * FROM t") == [("7",)]


MANY = dict.fromkeys(
    ["postgres", "psycopg2", "adbc", "duckdb"], "SELECT i, 'row ' || i FROM generate_series(1, {rows}) AS t(i)"
) | {
    "sqlite": "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < {rows}) "
    "SELECT i, 'row ' || i FROM t"
}


@pytest.mark.parametrize("rows", [1, FIRST_ROWS, FIRST_ROWS + BATCH_ROWS, FIRST_ROWS + BATCH_ROWS + 1, 25_000])
@pytest.mark.parametrize("engine", MANY)
def test_all_rows_arrive_in_order(engine: str, rows: int) -> None:
    with closing(CONNECT[engine]()) as connection:
        assert rows_of(connection, MANY[engine].format(rows=rows)) == [(str(i), f"row {i}") for i in range(1, rows + 1)]


def test_values_of_later_batches_may_have_another_type(pg: Any) -> None:
    sql = """SELECT CASE WHEN i % 10000 <> 0 THEN i ELSE {odd} END AS x FROM generate_series(1, 30000) AS t(i)"""
    numeric = [row[0] for row in rows_of(pg, sql.format(odd="i * 1000.5"))]
    assert numeric[:2] == ["1", "2"]
    assert len(set(numeric)) == 30_000
    with closing(sqlite3.connect(":memory:")) as connection:
        series = MANY["sqlite"].format(rows=30_000).replace("SELECT i, 'row ' || i FROM t", "SELECT {} AS x FROM t")
        for odd in ("NULL", "'text'", "1.5", "9.0e300"):
            found = rows_of(connection, series.format(f"CASE WHEN i <= 20000 THEN i ELSE {odd} END"))
            assert found[:20_000] == [(str(i),) for i in range(1, 20_001)]
            assert len(set(found[20_000:])) == 1
        found = rows_of(connection, series.format("CASE WHEN i > 10000 THEN i END"))
        assert found == [(None,)] * 10_000 + [(str(i),) for i in range(10_001, 30_001)]


@pytest.mark.parametrize("autocommit", [False, True])
def test_psycopg2_leaves_the_result_on_the_server(autocommit: bool) -> None:
    with closing(CONNECT["psycopg2"]()) as connection:
        connection.autocommit = autocommit
        with extract(connection, "SELECT i, '1.10'::numeric FROM generate_series(1, 100000) AS t(i)") as rows:
            assert (rows.path, next(rows.batches).num_rows) == ("dbapi", FIRST_ROWS)
            with connection.cursor() as cursor:
                cursor.execute("SELECT name FROM pg_cursors")
                assert cursor.fetchall() == [("persado_delivery",)]
        assert rows_of(connection, "SELECT 1 AS a; ") == [("1",)]
        with pytest.raises(ConfigurationError, match="syntax error at or near"):
            rows_of(connection, "SELEC")


def test_mysql_leaves_the_result_on_the_server() -> None:
    connection = pymysql.connect(defer_connect=True)
    assert isinstance(open_cursor(connection), pymysql.cursors.SSCursor)


@pytest.mark.parametrize("engine", MANY)
def test_memory_stays_bounded(engine: str) -> None:
    rows = 400_000
    with closing(CONNECT[engine]()) as connection:
        sql = MANY[engine].replace("'row ' || i", "hex(zeroblob(200))" if engine == "sqlite" else "repeat('x', 400)")
        with extract(connection, sql.format(rows=rows)) as result:
            read = next(result.batches).num_rows
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            assert read + sum(batch.num_rows for batch in result.batches) == rows
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 80_000, "kilobytes; the result is 160 MB"


def test_autocommit_and_row_factory_of_the_connection_do_not_matter() -> None:
    with postgres.connect(autocommit=True, row_factory=psycopg.rows.dict_row) as connection:
        assert rows_of(connection, "SELECT 1, '{a}'::text[]") == [("1", '["a"]')]
        assert rows_of(connection, "SELECT ARRAY['f']::information_schema.sql_identifier[]") == [('["f"]',)]
    with closing(sqlite3.connect(":memory:")) as lite:
        lite.row_factory = lambda _cursor, row: {"x": row[0]}
        assert rows_of(lite, "SELECT 1 AS x") == [("1",)]


def test_reading_can_stop_early(warehouse: Any) -> None:
    sql = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < 50000) SELECT i FROM t"
    with extract(warehouse, sql) as rows:
        next(rows.batches)
    assert rows_of(warehouse, "SELECT 1") == [("1",)]
