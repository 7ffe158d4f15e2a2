"""A query's rows, exact, from real databases: PostgreSQL, DuckDB, SQLite."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import adbc_driver_postgresql.dbapi
import duckdb
import psycopg
import psycopg2
import pyarrow as pa
import pymysql
import pytest
from support import postgres
from support.files.tabular import cell_of, file_of, rows_of

from persado.errors import ConfigurationError
from persado.pipeline.extract import dbapi as from_dbapi
from persado.pipeline.extract.dbapi import FIRST_ROWS
from persado.pipeline.extract.read import BATCH_ROWS, extract

Connect = Callable[[], Any]
WAREHOUSES: dict[str, Connect] = {
    "postgres": postgres.connect,
    "duckdb": duckdb.connect,
    "sqlite": lambda: sqlite3.connect(":memory:"),
}
CONNECT = WAREHOUSES | {
    "psycopg2": lambda: psycopg2.connect(host=postgres.host(), user=postgres.USER, dbname="postgres"),
    "adbc": lambda: adbc_driver_postgresql.dbapi.connect(postgres.uri()),
}


@pytest.fixture
def pg() -> Iterator[psycopg.Connection[Any]]:
    with postgres.connect() as connection:
        yield connection
        connection.rollback()  # the types that a test has made


@pytest.fixture
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture(params=WAREHOUSES)
def warehouse(request: pytest.FixtureRequest) -> Iterator[Any]:
    with closing(WAREHOUSES[request.param]()) as connection:
        yield connection


# SQL that PostgreSQL and DuckDB both understand, and the one text that it has to become.
IN_BOTH = {
    "NULL": None,
    "NULL::int": None,
    "1::smallint": "1",
    "(-2147483648)::int": "-2147483648",
    "9223372036854775807::bigint": "9223372036854775807",
    "1.10::numeric(4,2)": "1.10",
    "(-0.5)::numeric(4,2)": "-0.50",
    "0::numeric(20,10)": "0.0000000000",
    "0.00000001::numeric(20,8)": "0.00000001",
    "12345678901234567890123456789012345678::numeric(38,0)": "12345678901234567890123456789012345678",
    "0.1::real": "0.1",
    "16777216::real * 1000": "16777216000.0",
    "1e30::real": "1e+30",
    "0.1::double precision": "0.1",
    "1::double precision / 3": "0.3333333333333333",
    "100::double precision": "100.0",
    "1e15::double precision": "1000000000000000.0",
    "1e16::double precision": "1e+16",
    "1e-5::double precision": "1e-05",
    "true": "true",
    "false": "false",
    "''": "",
    "' 007, \"x\" '": ' 007, "x" ',
    "'Ωμέγα 東京 🙂'": "Ωμέγα 東京 🙂",
    "date '2026-02-28'": "2026-02-28",
    "date '0001-01-01'": "0001-01-01",
    "date '9999-12-31'": "9999-12-31",
    "time '05:06:07'": "05:06:07",
    "time '05:06:07.5'": "05:06:07.500000",
    "time '24:00:00'": "24:00:00",
    "'05:06:07.5+02'::timetz": "05:06:07.500000+02:00",
    "'05:06:07-03:30'::timetz": "05:06:07-03:30",
    "'23:59:59.999999+00'::timetz": "23:59:59.999999+00:00",
    "timestamp '2026-01-02 03:04:05'": "2026-01-02 03:04:05",
    "timestamp '2026-01-02 03:04:05.000001'": "2026-01-02 03:04:05.000001",
    "timestamp '1969-12-31 23:59:59.9'": "1969-12-31 23:59:59.900000",
    "timestamp '0001-01-01 00:00:00'": "0001-01-01 00:00:00",
    "timestamp '9999-12-31 23:59:59.999999'": "9999-12-31 23:59:59.999999",
    "'2026-01-02 03:04:05+05:30'::timestamptz": "2026-01-01 21:34:05+00:00",
    "'1800-01-01 00:00:00.25-05'::timestamptz": "1800-01-01 05:00:00.250000+00:00",
    "interval '14 months'": "P1Y2M",
    "interval '-14 months 3 days'": "P-1Y-2M3D",
    "interval '1 month -3 days 04:05:06.5'": "P1M-3DT4H5M6.5S",
    "interval '-1 microsecond'": "PT-0.000001S",
    "interval '0 seconds'": "PT0S",
    "interval '3000000 hours'": "PT3000000H",
    "'0F8FAD5B-D9CB-469F-A165-70867728950E'::uuid": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "'abc'::bytea": "616263",
    "''::bytea": "",
    "ARRAY[1, NULL, 3]": "[1,null,3]",
    "ARRAY[[1, 2], [3, 4]]": "[[1,2],[3,4]]",
    "ARRAY[]::int[]": "[]",
    "ARRAY[1.10, 2.00]::numeric(4,2)[]": "[1.10,2.00]",
    "ARRAY[0.1, 1e16]::double precision[]": "[0.1,1e+16]",
    "ARRAY['a', 'b \"c\"', NULL, '', 'NULL']": '["a","b \\"c\\"",null,"","NULL"]',
    "ARRAY[true, false]": "[true,false]",
    "ARRAY[date '2026-01-02']": '["2026-01-02"]',
    "ARRAY[timestamp '2026-01-02 03:04:05.5']": '["2026-01-02 03:04:05.500000"]',
    "ARRAY['2026-01-02 03:04:05+05:30'::timestamptz]": '["2026-01-01 21:34:05+00:00"]',
    "ARRAY['05:06:07+02'::timetz]": '["05:06:07+02:00"]',
    "ARRAY[interval '1 month']": '["P1M"]',
    "ARRAY['ab'::bytea]": '["6162"]',
    """'{"a":  1.10, "b": [1e400]}'::json""": '{"a":  1.10, "b": [1e400]}',
    """ARRAY['{"a":  1.10}'::json, NULL]""": '[{"a":  1.10},null]',
}


@pytest.mark.parametrize(("expression", "expected"), IN_BOTH.items())
def test_postgresql_and_duckdb_give_the_same_text(expression: str, expected: str | None, pg: Any, duck: Any) -> None:
    assert cell_of(pg, expression) == expected
    assert cell_of(duck, expression) == expected


@pytest.mark.parametrize("quote_mode", ["all_non_null", "special_characters", "all_non_numeric"])
def test_postgresql_and_duckdb_give_the_same_file(quote_mode: str, pg: Any, duck: Any) -> None:
    names = [f"c{number}" for number in range(len(IN_BOTH))]
    row = ", ".join(f"{expression} AS {name}" for expression, name in zip(IN_BOTH, names, strict=True))
    nulls = ", ".join(f"CASE WHEN false THEN {expression} END" for expression in IN_BOTH)
    sql = f"SELECT {row} UNION ALL SELECT {nulls} UNION ALL SELECT {row}"
    from_postgres = file_of(pg, sql, quote_mode=quote_mode)
    assert from_postgres == file_of(duck, sql, quote_mode=quote_mode)
    assert from_postgres.count(b"12345678901234567890123456789012345678") == 2


POSTGRES = {
    "(2^53)::bigint + 1": "9007199254740993",
    "repeat('9', 60)::numeric(60,0)": "9" * 60,
    "repeat('9', 76)::numeric": "9" * 76,
    "('-0.' || repeat('9', 76))::numeric": "-0." + "9" * 76,
    "repeat('9', 1000)::numeric": "9" * 1000,
    "1e-20::numeric": "0.00000000000000000001",
    "1e20::numeric": "1" + 20 * "0",
    "4294967295::oid": "4294967295",
    "'x'::char(3)": "x  ",
    "'a'::\"char\"": "a",
    "'1800-01-01 00:00 America/New_York'::timestamptz": "1800-01-01 04:56:02+00:00",
    "ARRAY['1800-01-01 00:00 America/New_York'::timestamptz]": '["1800-01-01 04:56:02+00:00"]',
    "'24:00:00+02'::timetz": "24:00:00+02:00",
    "ARRAY['24:00:00'::time, '05:06'::time]": '["24:00:00","05:06:00"]',
    "interval '178000000 years'": "P178000000Y",
    "B'0101'": "0101",
    "B'01'::varbit": "01",
    "'[1.10, 1e5]'::jsonb": "[1.10, 100000]",
    'ARRAY[\'{"b": 1, "a": 1.10}\'::jsonb]': '[{"a": 1.10, "b": 1}]',
    "'10.0.0.1'::inet": "10.0.0.1",
    "'10.0.0.1/8'::inet": "10.0.0.1/8",
    "'::ffff:1.2.3.4'::inet": "::ffff:1.2.3.4",
    "'10.0.0.0/8'::cidr": "10.0.0.0/8",
    "'08:00:2b:01:02:03'::macaddr": "08:00:2b:01:02:03",
    "'-1234.50'::money": "-1234.50",
    "ARRAY['0.05'::money]": "[0.05]",
    "point(1, 2.5)": "(1,2.5)",
    "'<a/>'::xml": "<a/>",
    "to_tsvector('simple', 'a b')": "'a':1 'b':2",
    "'[0:1]={1,2}'::int[]": "[1,2]",
    "'{{1,NULL},{NULL,4}}'::numeric[]": "[[1,null],[null,4]]",
    "'pg_class'::regclass": "pg_class",
    "int4range(1, 5)": "[1,5)",
    "int8range(NULL, 5)": "(,5)",
    "'empty'::int4range": "empty",
    "numrange(1.10, 2, '(]')": "(1.10,2]",
    "daterange('2026-01-01', NULL)": "[2026-01-01,)",
    "tsrange('2026-01-01', '2026-02-01 03:04:05.5')": '["2026-01-01 00:00:00","2026-02-01 03:04:05.500000")',
    "tstzrange('2026-01-01 00:00+02', NULL)": '["2025-12-31 22:00:00+00:00",)',
    "'{[1,3),[5,7)}'::int4multirange": "{[1,3),[5,7)}",
    "'{}'::nummultirange": "{}",
    "ARRAY[int4range(1, 5), NULL]": '["[1,5)",null]',
    "ARRAY['{[1.10,2)}'::nummultirange]": '["{[1.10,2)}"]',
}


@pytest.mark.parametrize(("expression", "expected"), POSTGRES.items())
def test_the_types_that_only_postgresql_has(expression: str, expected: str, pg: Any) -> None:
    assert cell_of(pg, expression) == expected


def test_types_that_a_user_has_made(pg: Any) -> None:
    pg.execute("""
        CREATE SCHEMA "my schema";
        CREATE TYPE mood AS ENUM ('happy', 'so, so');
        CREATE DOMAIN "my schema".percent AS numeric(5,2) CHECK (value <= 100);
        CREATE TYPE visit AS ("when" timestamptz, moods mood[], share "my schema".percent);
        CREATE TYPE trip AS (first visit, others visit[]);
        CREATE TYPE text_range AS RANGE (subtype = text);
        CREATE TYPE float_range AS RANGE (subtype = float8);
        CREATE TYPE slot AS (hours float_range);
    """)
    visit = "ROW('2026-01-02 03:04+05:30', ARRAY['so, so']::mood[], 1.5)::visit"
    row = rows_of(
        pg,
        f"""SELECT 'happy'::mood AS a, ARRAY['happy', NULL, 'so, so']::mood[] AS b, 12.5::"my schema".percent AS c,
        ARRAY[1]::"my schema".percent[] AS d, {visit} AS e, ARRAY[{visit}, NULL] AS f,
        ROW({visit}, ARRAY[ROW(NULL, NULL, NULL)::visit])::trip AS g,
        text_range('', 'x "y" \\, z') AS h, ARRAY[float_range(1, 1e16)] AS i, ROW(float_range(0.5, NULL))::slot AS j""",
    )
    json = '{"when":"2026-01-01 21:34:00+00:00","moods":["so, so"],"share":1.50}'
    empty = '{"when":null,"moods":null,"share":null}'
    assert row == [
        ("happy", '["happy",null,"so, so"]', "12.50", "[1.00]", json, f"[{json},null]",
         f'{{"first":{json},"others":[{empty}]}}',
         '["","x ""y"" \\\\, z")', '["[1.0,1e+16)"]', '{"hours":"[0.5,)"}')
    ]  # fmt: skip


@pytest.mark.parametrize(
    "expression", ["ROW(1, 'a')", "ARRAY[ROW(1, 'a')]", "'{[1,2)}'::one_multirange", "NULL::one_multirange"]
)
def test_types_without_a_text_are_refused_before_any_row(expression: str, pg: Any) -> None:
    pg.execute("CREATE TYPE one AS RANGE (subtype = int4)")
    with pytest.raises(
        ConfigurationError, match=r"column 'x': a value of PostgreSQL's type \w+ has no text of its own; cast"
    ):
        cell_of(pg, expression)


def test_the_text_does_not_depend_on_the_role(pg: Any) -> None:
    pg.execute("""
        SET TimeZone = 'America/New_York'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'postgres_verbose';
        SET extra_float_digits = 0; SET bytea_output = 'escape'; SET client_encoding = 'LATIN1'; SET lc_monetary = 'C'
    """)
    for expression, expected in {
        **IN_BOTH,
        "'01/02/2026'::date": "2026-02-01",  # the query still means what it means in this session
        "'2026-07-01 23:00+00'::timestamptz::date": "2026-07-01",
        "'2026-07-02 01:00+00'::timestamptz::date": "2026-07-01",
    }.items():
        assert cell_of(pg, expression) == expected


DUCKDB = {
    "170141183460469231731687303715884105727::hugeint": "170141183460469231731687303715884105727",
    "(-170141183460469231731687303715884105727 - 1)::hugeint": "-170141183460469231731687303715884105728",
    "340282366920938463463374607431768211455::uhugeint": "340282366920938463463374607431768211455",
    "('-' || repeat('9', 60))::bignum": "-" + "9" * 60,
    "18446744073709551615::ubigint": "18446744073709551615",
    "'101'::bit": "101",
    "'happy'::ENUM ('sad', 'happy')": "happy",
    "timestamp_s '2026-01-02 03:04:05'": "2026-01-02 03:04:05",
    "timestamp_ms '2026-01-02 03:04:05.5'": "2026-01-02 03:04:05.500000",
    "timestamp_ns '2026-01-02 03:04:05.123456789'": "2026-01-02 03:04:05.123456789",
    "timestamp_ns '2026-01-02 03:04:05.5'": "2026-01-02 03:04:05.500000",
    "'2026-01-02 03:04:05.123456789+02'::timestamptz_ns": "2026-01-02 01:04:05.123456789+00:00",
    "'05:06:07.000000001'::time_ns": "05:06:07.000000001",
    "'05:06:07-15:59:59'::timetz": "05:06:07-15:59:59",
    "interval '-3000000 hours'": "PT-3000000H",
    "{'a': 1, 'b c': [1.10], 'd': NULL}": '{"a":1,"b c":[1.10],"d":null}',
    "{'t': '05:06:07+02'::timetz, 'u': NULL::uhugeint, 'v': 1::uhugeint}": '{"t":"05:06:07+02:00","u":null,"v":1}',
    "NULL::STRUCT(t TIMETZ)": None,
    "[{'i': interval '1 month'}, NULL]": '[{"i":"P1M"},null]',
    "[[1::uhugeint], []]": "[[1],[]]",
    "[1, 2]::INTEGER[2]": "[1,2]",
    "[1, 2]::UHUGEINT[2]": "[1,2]",
    "map {'k': 1, 'l': NULL}": '{"k":1,"l":null}',
    "map {1: '2026-01-02'::date}": '{"1":"2026-01-02"}',
    "map {'k': 1::uhugeint}": '{"k":1}',
    "map {1::uhugeint: 'x'}": '{"1":"x"}',
    "union_value(k := 1.10)": "1.10",
    "[union_value(k := 'x')::UNION(n INTEGER, k VARCHAR), 5::UNION(n INTEGER, k VARCHAR)]": '["x",5]',
    "[1.10::decimal(4,2)]::variant": "[1.10]",
    "['a'::variant]": '["a"]',
    "'POINT(1 2)'::geometry": "POINT (1 2)",
    "get_type('x')": "VARCHAR",
    "['{\"a\":  1.10}'::json]": '[{"a":  1.10}]',
}


@pytest.mark.parametrize(("expression", "expected"), DUCKDB.items())
def test_the_types_that_only_duckdb_has(expression: str, expected: str | None, duck: Any) -> None:
    assert cell_of(duck, expression) == expected


def test_duckdb_settings_change_nothing(duck: Any) -> None:
    duck.execute("SET arrow_lossless_conversion = true; SET arrow_large_buffer_size = true")
    duck.execute("SET arrow_output_list_view = true; SET arrow_output_version = '1.4'; SET TimeZone = 'Asia/Kolkata'")
    assert [cell_of(duck, expression) for expression in {**IN_BOTH, **DUCKDB}] == [*IN_BOTH.values(), *DUCKDB.values()]


def test_a_union_of_what_arrow_does_not_hold_is_refused(duck: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"column 'x': a value of type UNION\(k UHUGEINT\) has no text of its"):
        cell_of(duck, "union_value(k := 1::uhugeint)")


def test_duckdb_does_not_take_a_table_for_a_variable_of_the_program(duck: Any) -> None:
    connection = pa.table({"x": [1]})
    with pytest.raises(ConfigurationError, match="Catalog Error: Table with name connection does not exist"):
        rows_of(duck, "SELECT * FROM connection")
    del connection


def test_sqlite_columns_of_mixed_types() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (x, n NUMERIC)")
        values = [(1, 1), ("1", 1.5), (1.0, None), (None, "x"), (b"\x01", 2**63 - 1), ("", 0.1)]
        connection.executemany("INSERT INTO t VALUES (?, ?)", values)
        assert file_of(connection, "SELECT * FROM t", quote_mode="all_non_numeric") == (
            b'"x","n"\n1,1\n"1",1.5\n1.0,\n,"x"\n"01",9223372036854775807\n"",0.1\n'
        )


@pytest.mark.parametrize("expression", ["'nan'::float8", "'-infinity'::float4", "ARRAY['nan'::float8]"])
def test_nan_is_refused_unless_it_has_a_text(expression: str, pg: Any, duck: Any) -> None:
    for connection in (pg, duck):
        with pytest.raises(ConfigurationError, match="row 1, column 'x': NaN or Infinity has no agreed text; set nan_"):
            cell_of(connection, expression)
        assert (cell_of(connection, expression, nan_text="n/a") or "").strip('[]"') == "n/a"


@pytest.mark.parametrize("expression", ["'NaN'::numeric", "'-Infinity'::numeric", "ARRAY['NaN'::numeric]"])
def test_numeric_nan_is_refused_unless_it_has_a_text(expression: str, pg: Any) -> None:
    with pytest.raises(ConfigurationError, match="row 1, column 'x': NaN or Infinity has no agreed text"):
        cell_of(pg, expression)
    assert (cell_of(pg, expression, nan_text="n/a") or "").strip('[]"') == "n/a"


@pytest.mark.parametrize(
    "expression",
    ["'infinity'::date", "'-infinity'::timestamp", "'infinity'::timestamptz", "'0044-03-15 (BC)'::date",
     "'10000-01-01'::date", "'10000-01-01'::timestamp", "ARRAY['infinity'::date]"],
)  # fmt: skip
def test_dates_that_python_and_most_readers_do_not_have_are_refused(expression: str, pg: Any, duck: Any) -> None:
    for connection, sql in ((pg, expression.replace("(BC)", "BC")), (duck, expression)):
        rows = f"SELECT CASE WHEN i = 3 THEN {sql} END AS x FROM generate_series(1, 5) AS t(i)"
        with pytest.raises(ConfigurationError, match=r"row 3, column 'x': expected a date between the years 0001 and"):
            rows_of(connection, rows)


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
def test_semicolons_and_comments(sql: str, warehouse: Any) -> None:
    assert file_of(warehouse, sql) == b"a\n1\n"


def test_no_rows_still_have_columns(warehouse: Any) -> None:
    assert file_of(warehouse, 'SELECT 1 AS a, 2 AS "B c" WHERE 1 = 0') == b"a,B c\n"


def test_two_columns_of_one_name_are_refused(warehouse: Any) -> None:
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


def test_the_values_of_a_later_batch_may_be_of_another_type(pg: Any) -> None:
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


def test_the_result_stays_on_the_server(pg: Any) -> None:
    with extract(pg, "SELECT i FROM generate_series(1, 100000) AS t(i)") as rows:
        next(rows.batches)
        cursors = pg.execute("SELECT name, is_scrollable, is_holdable FROM pg_cursors").fetchall()
        assert cursors == [("persado_delivery", False, False)]
    assert pg.execute("SELECT count(*) FROM pg_cursors").fetchone() == (0,)


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
    assert isinstance(from_dbapi.open_cursor(connection), pymysql.cursors.SSCursor)


@pytest.mark.parametrize("engine", MANY)
def test_the_rows_are_not_held_in_memory(engine: str) -> None:
    rows = 400_000
    with closing(CONNECT[engine]()) as connection:
        sql = MANY[engine].replace("'row ' || i", "hex(zeroblob(200))" if engine == "sqlite" else "repeat('x', 400)")
        with extract(connection, sql.format(rows=rows)) as result:
            read = next(result.batches).num_rows
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            assert read + sum(batch.num_rows for batch in result.batches) == rows
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 80_000, "kilobytes; the result is 160 MB"


def test_batches_of_large_values_have_fewer_rows(pg: Any) -> None:
    with extract(pg, "SELECT repeat('x', 100000) FROM generate_series(1, 2500)") as rows:
        sizes = [batch.num_rows for batch in rows.batches]
    assert sizes == [1000, 335, 335, 335, 335, 160]


def test_a_connection_in_autocommit_mode_and_with_another_row_factory() -> None:
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
