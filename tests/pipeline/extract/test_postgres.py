"""PostgreSQL's built-in and user-defined types are read exactly, whatever the role's settings, and as from DuckDB."""

from __future__ import annotations

from typing import Any

import pytest
from support.files.sql_values import IN_BOTH
from support.files.tabular import cell_of, file_of, rows_of

from persado.errors import ConfigurationError
from persado.pipeline.extract.engines import extract


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
def test_types_that_only_postgresql_has(expression: str, expected: str, pg: Any) -> None:
    assert cell_of(pg, expression) == expected


def test_user_defined_types(pg: Any) -> None:
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
def test_types_without_a_text_form_are_refused_before_any_row(expression: str, pg: Any) -> None:
    pg.execute("CREATE TYPE one AS RANGE (subtype = int4)")
    with pytest.raises(
        ConfigurationError, match=r"column 'x': a value of PostgreSQL's type \w+ has no text form; cast"
    ):
        cell_of(pg, expression)


def test_text_does_not_depend_on_the_role(pg: Any) -> None:
    pg.execute("""
        SET TimeZone = 'America/New_York'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'postgres_verbose';
        SET extra_float_digits = 0; SET bytea_output = 'escape'; SET client_encoding = 'LATIN1'; SET lc_monetary = 'C'
    """)
    for expression, expected in {
        **IN_BOTH,
        "'01/02/2026'::date": "2026-02-01",  # the session still decides what the query means
        "'2026-07-01 23:00+00'::timestamptz::date": "2026-07-01",
        "'2026-07-02 01:00+00'::timestamptz::date": "2026-07-01",
    }.items():
        assert cell_of(pg, expression) == expected


@pytest.mark.parametrize("expression", ["'nan'::float8", "'-infinity'::float4", "ARRAY['nan'::float8]"])
def test_nan_is_refused_without_nan_text(expression: str, pg: Any, duck: Any) -> None:
    for connection in (pg, duck):
        with pytest.raises(ConfigurationError, match="row 1, column 'x': NaN or Infinity has no agreed text; set nan_"):
            cell_of(connection, expression)
        assert (cell_of(connection, expression, nan_text="n/a") or "").strip('[]"') == "n/a"


@pytest.mark.parametrize("expression", ["'NaN'::numeric", "'-Infinity'::numeric", "ARRAY['NaN'::numeric]"])
def test_numeric_nan_is_refused_without_nan_text(expression: str, pg: Any) -> None:
    with pytest.raises(ConfigurationError, match="row 1, column 'x': NaN or Infinity has no agreed text"):
        cell_of(pg, expression)
    assert (cell_of(pg, expression, nan_text="n/a") or "").strip('[]"') == "n/a"


@pytest.mark.parametrize(
    "expression",
    ["'infinity'::date", "'-infinity'::timestamp", "'infinity'::timestamptz", "'0044-03-15 (BC)'::date",
     "'10000-01-01'::date", "'10000-01-01'::timestamp", "ARRAY['infinity'::date]"],
)  # fmt: skip
def test_dates_outside_the_calendar_are_refused(expression: str, pg: Any, duck: Any) -> None:
    for connection, sql in ((pg, expression.replace("(BC)", "BC")), (duck, expression)):
        rows = f"SELECT CASE WHEN i = 3 THEN {sql} END AS x FROM generate_series(1, 5) AS t(i)"
        with pytest.raises(ConfigurationError, match=r"row 3, column 'x': expected a date between the years 0001 and"):
            rows_of(connection, rows)


def test_result_stays_on_the_server(pg: Any) -> None:
    with extract(pg, "SELECT i FROM generate_series(1, 100000) AS t(i)") as rows:
        next(rows.batches)
        cursors = pg.execute("SELECT name, is_scrollable, is_holdable FROM pg_cursors").fetchall()
        assert cursors == [("persado_delivery", False, False)]
    assert pg.execute("SELECT count(*) FROM pg_cursors").fetchone() == (0,)


def test_batches_of_large_values_have_fewer_rows(pg: Any) -> None:
    with extract(pg, "SELECT repeat('x', 100000) FROM generate_series(1, 2500)") as rows:
        sizes = [batch.num_rows for batch in rows.batches]
    assert sizes == [1000, 335, 335, 335, 335, 160]
