"""What a database formats itself is, byte for byte, what the way through Arrow gives."""

from __future__ import annotations

import datetime as dt
import signal
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import assume
from hypothesis import given as hypothesis_given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support import postgres
from support.streaming import VALUES
from support.tabular import file_of, settings

from persado.errors import ConfigurationError, RejectedError
from persado.pipeline import chained
from persado.pipeline.extract import extract
from persado.pipeline.formatted import formatted_text
from persado.pipeline.names import Names
from persado.pipeline.parts import parts
from persado.pipeline.selection import Selection, selected
from persado.pipeline.stage_area import StageArea
from persado.settings.columns import Column
from persado.settings.contract import Contract
from persado.settings.file_settings import Settings

COPIED, BY_ARROW = "postgres-copy", "postgres-cursor"


@pytest.fixture(scope="module")
def pg() -> Iterator[psycopg.Connection[Any]]:
    with postgres.connect() as connection:
        connection.execute("""
            SET TimeZone = 'America/New_York'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'postgres_verbose';
            SET extra_float_digits = 0; SET bytea_output = 'escape'; SET client_encoding = 'LATIN1';
            SET standard_conforming_strings = off
        """)
        connection.execute("""
            CREATE TYPE pg_temp.mood AS ENUM ('happy', 'so, so');
            CREATE DOMAIN pg_temp.percent AS numeric(5,2);
            CREATE TEMPORARY TABLE given
              (t text, v varchar, i int, n numeric, f float8, r real, d date, s timestamp, z timestamptz, b bool)
        """)
        connection.commit()
        yield connection


def written(connection: Any, sql: str, wanted: Settings, selection: Selection | None = None) -> tuple[str, bytes]:
    """Give the path taken and the file."""
    with formatted_text(connection, sql, selection or Selection(), wanted) as text:
        return text.read_by, b"".join(block for _, _, block in text.blocks)


# Values of each type, in SQL.
TYPES = {
    "smallint": ["-32768", "0", "7"],
    "int": ["-2147483648", "2147483647"],
    "bigint": ["9007199254740993", "-9223372036854775808"],
    "oid": ["4294967295"],
    "numeric": ["1.10", "-0.5", "0", "1e-20", "1e20", "123456789012345678901234567890.123", "repeat('9', 500)"],
    "numeric(12,2)": ["1", "-0.5", "0"],
    "real": ["0", "'-0'", "0.1", "100", "16777216e3", "999999.9", "1e6", "1234567", "1e-4", "1e-5", "1e30", "1e-45"],
    "float8": ["0", "'-0'", "0.1", "0.1::real", "1.0/3", "100", "1e14", "999999999999999", "1e15", "1234567890123456",
               "1e16", "1e22", "1e23", "1e-4", "0.00012345", "1e-5", "5e-324", "1.7976931348623157e308", "-123456.789"],
    "bool": ["true", "false"],
    "text": ["''", "'a'", "' a'", "'a '", "'#'", "'$'", "'a\"b'", "'a,b'", r"E'a\nb'", r"E'a\rb'", r"E'\\'", r"E'\\.'",
             r"E'a\\'", r"E'\\a\"'", "'NULL'", "'n/a'", r"E'\t'", "'é'", "'🙂'", r"E'\u00a0'", "'a!'", "'!a'", "'-'",
             "'\"'", "'\"\"'", "', '", "',\",'", "'a:b'", "'a b'", "'a|b'", "'''a'", r"E',\n\\.\n,'"],
    "varchar": ["'a, b '", "''"],
    "char(4)": ["'x'", "''", "'abcd'"],
    '"char"': ["'a'"],
    "name": ["'pg_class'"],
    "uuid": ["'0F8FAD5B-D9CB-469F-A165-70867728950E'"],
    "date": ["'0001-01-01'", "'9999-12-31'", "'2026-02-28'", "'01/02/2026'"],
    "timestamp": ["'2026-01-02 03:04:05'", "'2026-01-02 03:04:05.5'", "'0001-01-01'", "'1969-12-31 23:59:59.9'",
                  "'9999-12-31 23:59:59.999999'", "'2026-01-02 03:04:05.000001'"],
    "timestamptz": ["'2026-01-02 03:04:05+05:30'", "'1800-01-01 00:00 America/New_York'", "'2026-03-08 02:30:00'",
                    "'9999-12-31 23:59:59.999999+00'", "'2026-07-01 00:00:00.25-05'", "'0001-02-01 00:00:00+00'"],
    "time": ["'05:06:07'", "'05:06:07.5'", "'24:00:00'", "'23:59:59.999999'"],
    "interval": ["'14 months'", "'-14 months 3 days'", "'1 month -3 days 04:05:06.5'", "'0 seconds'"],
    "bytea": ["'abc'", "''"],
    "json": ["""'{"a":  1.10, "b": [1e400]}'""", """'"x, y"'""", "'null'"],
    "jsonb": ["""'{"b": 1, "a": 1.10}'""", "'[]'"],
    "inet": ["'10.0.0.1'", "'10.0.0.1/8'", "'::ffff:1.2.3.4'"],
    "cidr": ["'10.0.0.0/8'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "bit(4)": ["B'0101'"],
    "varbit": ["B'01'"],
    "xml": ["'<a/>'"],
    "int[]": ["ARRAY[1, NULL, 3]", "ARRAY[[1, 2], [3, 4]]", "'{}'", "'[0:1]={1,2}'"],
    "text[]": [r"""ARRAY['a', 'b "c"', NULL, '', 'NULL', E'\n\t\x01\x7f\\/', 'é🙂', '<&>']"""],
    "bool[]": ["ARRAY[true, NULL, false]"],
    "uuid[]": ["ARRAY['0F8FAD5B-D9CB-469F-A165-70867728950E']"],
    "pg_temp.mood": ["'happy'", "'so, so'"],
    "pg_temp.percent": ["12.5", "100"],
}  # fmt: skip
# These go through Arrow, in whose text nothing is lost either.
THROUGH_ARROW = {
    "money": ["'-1234.50'"],
    "timetz": ["'05:06:07.5+02'"],
    "numeric[]": ["ARRAY[1.10, NULL]"],
    "float8[]": ["ARRAY[0.1, 1e16]"],
    "timestamp[]": ["ARRAY['2026-01-02 03:04:05.5']"],
    "point": ["'(1,2.5)'"],
    "pg_temp.mood[]": ["ARRAY['happy']"],
}

NOT_FINITE = [("float8", "NaN"), ("real", "-Infinity"), ("numeric", "NaN"), ("numeric", "Infinity")]
OUT_OF_CALENDAR = [
    ("date", "infinity"),
    ("date", "0044-03-15 BC"),
    ("date", "10000-01-01"),
    ("timestamp", "-infinity"),
    ("timestamp", "10000-01-01"),
    ("timestamptz", "infinity"),
]

SETTINGS: list[dict[str, Any]] = [
    {},
    {"quote_mode": "all"},
    {"quote_mode": "all", "null_text": "NULL", "escape_character": "\\"},
    {"quote_mode": "all_non_null", "null_text": "NULL"},
    {"quote_mode": "all_non_null", "escape_character": "\\", "line_ending": "CRLF"},
    {"quote_mode": "all_non_numeric", "row_number": "row"},
    {"quote_mode": "all_non_numeric", "escape_character": "\\", "nan_text": "NaN"},
    {"escape_character": "\\"},
    {"escape_character": "'", "null_text": "n/a"},
    {"line_ending": "CRLF", "null_text": "NULL", "file_format": "tsv"},
    {"file_format": "psv", "header": False, "row_number": "n"},
    {"file_format": "custom", "delimiter": ":", "nan_text": "#"},
    {"file_format": "custom", "delimiter": " "},
]


def rows(type_: str, values: list[str]) -> str:
    """Give a query of some values and a NULL, twice, with another column between."""
    union = " UNION ALL ".join(f"SELECT CAST({value} AS {type_}) AS x" for value in [*values, "NULL"])
    return f"SELECT x AS \"X, x\", 'é' AS b, x AS c FROM ({union}) AS t"


@pytest.mark.parametrize("wanted", SETTINGS, ids=str)
def test_every_type_in_every_kind_of_setting(wanted: dict[str, Any], pg: Any) -> None:
    for type_, values in TYPES.items():
        sql = rows(type_, values)
        read_by, text = written(pg, sql, settings(**wanted))
        assert (type_, read_by, text) == (type_, COPIED, file_of(pg, sql, **wanted))


@pytest.mark.parametrize("type_", THROUGH_ARROW)
def test_types_without_an_exact_text_in_sql_go_through_arrow(type_: str, pg: Any) -> None:
    sql = rows(type_, THROUGH_ARROW[type_])
    assert written(pg, sql, settings()) == (BY_ARROW, file_of(pg, sql))


PIECES = [*"aé🙂,;|\t\"'\\\n\r #!$1e:^.\x01\x7f\xa0", "\r\n", "\\.", ", ", '",', "NULL"]
TEXT = st.lists(st.sampled_from(PIECES), max_size=5).map("".join)
MOMENT = st.datetimes(dt.datetime(1, 2, 1), dt.datetime(9999, 12, 30))
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
FLOAT_32 = st.floats(allow_nan=False, allow_infinity=False, width=32)
DECIMAL = st.decimals(-(10**20), 10**20, allow_nan=False, allow_infinity=False)
ROW = st.tuples(
    *(
        st.none() | kind
        for kind in (
            TEXT,
            TEXT,
            st.integers(-(2**31), 2**31 - 1),
            DECIMAL | st.sampled_from([Decimal("1.10"), Decimal("1E-30")]),
            FLOAT | st.integers(-(2**60), 2**60).map(float),
            FLOAT_32,
            st.dates(),
            MOMENT,
            MOMENT.map(lambda moment: moment.replace(tzinfo=dt.UTC)),
            st.booleans(),
        )
    )
)


@st.composite
def all_settings(draw: st.DrawFn) -> dict[str, Any]:
    delimiter = draw(st.sampled_from([*",\t|; #^:'\\"]))
    escape = draw(st.sampled_from([None, *"\\\"^'#!"]))
    null_text = draw(st.sampled_from(["", "NULL", "n/a", "-1", "true", "\\N", " ", "#", "\\."]))
    assume(escape != delimiter and delimiter not in null_text)
    return {
        "file_format": "custom",
        "delimiter": delimiter,
        "escape_character": escape,
        "quote_mode": draw(st.sampled_from(["all", "all_non_null", "special_characters", "all_non_numeric"])),
        "null_text": null_text,
        "line_ending": draw(st.sampled_from(["LF", "CRLF"])),
    }


@hypothesis_settings(max_examples=80, deadline=None, derandomize=True)
@hypothesis_given(st.lists(ROW, max_size=6), all_settings())
def test_any_values_in_any_settings(pg: Any, values: list[Any], wanted: dict[str, Any]) -> None:
    pg.execute("DELETE FROM given")
    with pg.cursor() as cursor:
        cursor.executemany("INSERT INTO given VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", values)
    sql = "SELECT * FROM given ORDER BY ctid"
    read_by, text = written(pg, sql, settings(**wanted))
    null_text = wanted["null_text"]
    unlike_any_value = null_text not in {" ", "#", "\\."} and (wanted["escape_character"] or '"') not in null_text
    assert read_by == (COPIED if unlike_any_value or wanted["quote_mode"] == "all" else read_by)
    assert text == file_of(pg, sql, **wanted)


@pytest.mark.parametrize(
    ("type_", "value", "problem"),
    [
        *((type_, value, "NaN or Infinity has no agreed text; set nan_text") for type_, value in NOT_FINITE),
        *((type_, value, "expected a date between the years 0001 and 9999") for type_, value in OUT_OF_CALENDAR),
    ],
)
def test_values_without_a_text_are_refused_with_their_row_and_column(
    type_: str, value: str, problem: str, pg: Any
) -> None:
    columns = f"i, CASE WHEN i = 20001 THEN '{value}'::{type_} END AS x"
    for more in ("", ", 'a, \"b\"' AS y, NULL::text AS z"):  # a text may stand for the others' marks
        sql = f"SELECT {columns}{more} FROM generate_series(1, 30000) AS t(i)"
        for quote_mode in ("special_characters", "all"):
            with pytest.raises(ConfigurationError, match=rf"^row 20001, column 'x': {problem}"):
                written(pg, sql, settings(quote_mode=quote_mode))
        assert pg.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(("type_", "value"), NOT_FINITE)
@pytest.mark.parametrize("nan_text", ["NaN", "#", "", "a,b"])
def test_the_text_of_what_is_no_number(type_: str, value: str, nan_text: str, pg: Any) -> None:
    sql = f"SELECT '{value}'::{type_} AS x, NULL::{type_} AS y, 1::{type_} AS z"
    wanted = {"nan_text": nan_text, "file_format": "tsv"}
    assert written(pg, sql, settings(**wanted)) == (COPIED, file_of(pg, sql, **wanted))


def test_the_choice_of_columns_and_constants(pg: Any) -> None:
    columns = (
        Column(name="again", from_="B"),
        Column(name="ü 'x' \\", value='it\'s \\ "constant"'),
        Column(name="n", value=7),
        Column(name="yes", value=True),
        Column(name="nothing", value=None),
        Column(name="B"),
    )
    sql = "SELECT 1 AS a, 'x' AS b, true AS \"B\"; "
    wanted = settings(quote_mode="all_non_numeric", row_number="row")
    head = '"row","again","ü \'x\' \\","n","yes","nothing","B"\n'
    row = '1,"true","it\'s \\ ""constant""",7,"true",,"true"\n'
    assert written(pg, sql, wanted, Selection(columns=columns)) == (COPIED, (head + row).encode())
    with pytest.raises(ConfigurationError, match="wants the column 'c', which the query does not give"):
        written(pg, sql, wanted, Selection(columns=(Column(name="c"),)))


def test_parts_of_so_many_rows(pg: Any) -> None:
    sql = "SELECT i, 'row ' || i AS text FROM generate_series(1, 120000) AS t(i)"
    wanted = settings(split={"rows": 50_000}, row_number="n")
    found: dict[int, bytes] = {}
    rows: dict[int, int] = {}
    with formatted_text(pg, sql, Selection(), wanted) as text:
        for part, count, block in text.blocks:
            found[part] = found.get(part, b"") + block
            rows[part] = rows.get(part, 0) + count
        assert text.read_by == COPIED
    with extract(pg, sql) as reference:
        expected: dict[int, bytes] = {}
        for part, _, block in parts(reference.batches, reference.columns, wanted):
            expected[part] = expected.get(part, b"") + block
    assert rows == {1: 50_000, 2: 50_000, 3: 20_000}
    assert found == expected


NO_COPY: dict[str, tuple[dict[str, Any], Selection]] = {
    "quote mode none": ({"quote_mode": "none"}, Selection()),
    "a delimiter of several bytes": ({"file_format": "custom", "delimiter": "é"}, Selection()),
    "a delimiter inside of numbers": ({"file_format": "custom", "delimiter": "1"}, Selection()),
    "parts of so many megabytes": ({"split": {"megabytes": 1}}, Selection()),
}


@pytest.mark.parametrize(("wanted", "selection"), NO_COPY.values(), ids=NO_COPY)
def test_what_copy_cannot_say_goes_through_arrow(wanted: dict[str, Any], selection: Selection, pg: Any) -> None:
    sql = "SELECT 1.5 AS x, 'a,é' AS y -- that's it"
    assert written(pg, sql, settings(**wanted), selection) == (BY_ARROW, file_of(pg, sql, **wanted))


def test_a_comment_behind_the_semicolon_goes_through_arrow(pg: Any) -> None:
    assert written(pg, "SELECT 1 AS a; -- done", settings()) == (BY_ARROW, b"a\n1\n")
    assert written(pg, "SELECT 1 AS a -- done", settings()) == (COPIED, b"a\n1\n")


@pytest.mark.parametrize(
    "sql", ["SELECT 1) AS q) TO STDOUT; SELECT ((1", "SELECT 1; SELECT 2", "DELETE FROM given", ""]
)
def test_only_one_select_is_run(sql: str, pg: Any) -> None:
    with pytest.raises(ConfigurationError):
        written(pg, sql, settings())
    pg.rollback()


def test_each_column_is_computed_once_and_a_failing_query_shows_no_value(
    pg: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sql = "SELECT 1.5 + nextval('counter') AS x FROM generate_series(1, 3)"
    pg.execute("CREATE TEMPORARY SEQUENCE counter")
    assert written(pg, sql, settings()) == (COPIED, b"x\n2.5\n3.5\n4.5\n")
    sql = "SELECT CASE WHEN i < 9999 THEN i ELSE ('secret' || i)::int END FROM generate_series(1, 10000) AS t(i)"
    with pytest.raises(ConfigurationError, match="SQLSTATE 22P02") as caught:
        written(pg, sql, settings())
    assert "secret" not in str(caught.value) + caplog.text
    assert pg.execute("SELECT 1").fetchone() == (1,)


def test_large_rows_are_not_held_together(pg: Any) -> None:
    # The first row makes libpq's buffer grow, so that many of the others are at hand at a time.
    size = "CASE WHEN i = 1 THEN 20000000 ELSE 9000 END"
    sql = f"SELECT i, repeat('x', {size}) AS b FROM generate_series(1, 500) AS t (i)"
    with formatted_text(pg, sql, Selection(), settings()) as text:
        head, first, *others = text.blocks
    assert text.read_by == COPIED
    assert sum(rows for _, rows, _ in (head, first, *others)) == 500
    assert max(len(block) for _, _, block in others) < 150_000
    assert b"".join(block for _, _, block in (head, first, *others)) == file_of(pg, sql)


@pytest.mark.parametrize("autocommit", [False, True])
def test_reading_can_stop_early(autocommit: bool) -> None:
    with postgres.connect(autocommit=autocommit, row_factory=psycopg.rows.dict_row) as connection:
        with formatted_text(connection, "SELECT i FROM generate_series(1, 1000000) t(i)", Selection(), settings()) as t:
            assert [next(t.blocks)[1], next(t.blocks)[1] > 0] == [0, True]
        assert written(connection, "SELECT 1 AS a", settings()) == (COPIED, b"a\n1\n")


@pytest.mark.parametrize("wanted", [{}, {"quote_mode": "none"}], ids=str)
def test_a_select_without_columns_is_refused(wanted: dict[str, Any], pg: Any) -> None:
    with pytest.raises(ConfigurationError, match="gives no rows and no columns"):
        written(pg, "SELECT FROM generate_series(1, 3)", settings(**wanted))


def test_no_rows_still_have_a_header(pg: Any) -> None:
    assert written(pg, 'SELECT 1 AS a, 2 AS "B c" WHERE false', settings()) == (COPIED, b"a,B c\n")


@pytest.mark.parametrize("wanted", [{}, {"split": {"rows": 50_000}}, {"quote_mode": "none"}], ids=str)
def test_a_chained_delivery_keeps_the_text_that_the_database_wrote(
    wanted: dict[str, Any], pg: Any, tmp_path: Path
) -> None:
    area, sql = StageArea(tmp_path, "x"), "SELECT i, ' a' AS b FROM generate_series(1, 60000) AS t(i)"
    names = Names(settings(**wanted), VALUES)
    extracted, read_by = chained.extract_stage(area, pg, sql, Selection(), settings(**wanted), lambda rows, size: None)
    files = chained.format_stage(area, extracted, names, settings(**wanted), lambda rows, size: None)
    assert (read_by, files[0].uri == extracted.uri) == ((COPIED, True) if not wanted else (BY_ARROW, False))
    sizes = [50_000, 10_000] if "split" in wanted else [60_000]
    assert [file.rows for file in files] == sizes
    assert files[0].name == ("0000001.csv" if "split" in wanted else "table.csv")
    text = b"".join(area.open(file).read() for file in files)
    assert text.count(b"\n") == 60_000 + len(files)


@pytest.mark.parametrize("split", [None, {"rows": 50_000}, {"megabytes": 1}], ids=str)
def test_a_row_number_column_with_the_name_of_another_is_refused_before_the_rows_are_read(
    split: dict[str, int] | None, pg: Any, tmp_path: Path
) -> None:
    wanted = settings(row_number="id", split=split)
    sql = "SELECT i AS id, 1 / (9000 - i) AS x FROM generate_series(1, 9000) AS t(i)"  # the last row fails
    message = "row_number: 'id' is also a column of the query; choose another name"
    with pytest.raises(ConfigurationError, match=message):
        written(pg, sql, wanted)
    pg.rollback()
    with pytest.raises(ConfigurationError, match=message):
        chained.extract_stage(StageArea(tmp_path, "x"), pg, sql, Selection(), wanted, lambda rows, size: None)
    pg.rollback()


CONTRACT = Contract.model_validate(
    {
        "columns": [
            {"name": "hash", "type": "md5_hex", "nullable": False},
            {"name": "sent", "type": "unix_seconds"},
            {"name": "day", "type": "date"},
            {"name": "count", "type": "integer", "nullable": False},
            {"name": "absent", "required": False},
        ]
    }
)
SOUND = "md5(i::text) AS hash, 1700000000 + i AS sent, '2026-01-02'::date AS day, i::text AS count, 'x' AS more"


def test_postgresql_judges_by_the_contract(pg: Any) -> None:
    selection = Selection(contract=CONTRACT)
    sql = f"SELECT {SOUND} FROM generate_series(1, 3000) AS t(i)"
    for wanted in ({}, {"quote_mode": "all_non_numeric"}, {"quote_mode": "all"}):
        assert written(pg, sql, settings(**wanted), selection) == (COPIED, file_of(pg, sql, **wanted))
    with pytest.raises(RejectedError, match=r"requires the column\(s\) hash, sent, day, count"):
        written(pg, "SELECT 1 AS a", settings(), selection)


def test_what_breaks_the_contract_is_told_alike(pg: Any) -> None:
    sql = """
        SELECT CASE WHEN i % 7 > 0 THEN md5(i::text) WHEN i % 2 = 0 THEN '' END AS hash,
          CASE WHEN i = 2500 THEN -1 WHEN i > 10 THEN i END AS sent,
          CASE i WHEN 3 THEN E'2026-01-02\\n' WHEN 4 THEN '2026-1-2' ELSE '2026-01-02' END AS day,
          CASE i WHEN 5 THEN '1.0' WHEN 6 THEN NULL ELSE i::text END AS count
        FROM generate_series(1, 3000) AS t(i)
    """
    selection = Selection(contract=CONTRACT)
    with pytest.raises(RejectedError) as copied:
        written(pg, sql, settings(), selection)
    with pytest.raises(RejectedError) as by_arrow, extract(pg, sql) as rows:
        list(selected(rows, selection)[1])
    told = [set(str(caught.value).removeprefix("the contract is broken, nothing was sent: ").split("; "))
            for caught in (copied, by_arrow)]  # fmt: skip
    assert told[0] == told[1]
    assert len(told[0]) == 5


def test_a_signal_ends_the_query_on_the_server_too() -> None:
    class Stop(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Stop

    before = signal.signal(signal.SIGALRM, stop)
    with postgres.connect() as connection, postgres.connect(autocommit=True) as other:
        backend = connection.info.backend_pid
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            with pytest.raises(Stop):
                written(
                    connection, "SELECT i, pg_sleep(i)::text FROM generate_series(0, 1000, 500) AS t(i)", settings()
                )
        finally:
            signal.signal(signal.SIGALRM, before)
        connection.close()
        end = time.monotonic() + 30
        while other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [backend]).fetchall():
            assert time.monotonic() < end
            time.sleep(0.05)
