"""Values of PostgreSQL's types, strategies for random rows, and settings to write them with."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

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
    """Return a query with the values and a NULL in two columns, with another column between them."""
    union = " UNION ALL ".join(f"SELECT CAST({value} AS {type_}) AS x" for value in [*values, "NULL"])
    return f"SELECT x AS \"X, x\", 'é' AS b, x AS c FROM ({union}) AS t"


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
