"""Delimited text, compared byte for byte."""

from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow as pa
import pytest
from support.files.tabular import file_of_batch, table

# Settings. VALUES has the text of each value in each of them.
MODES: list[dict[str, Any]] = [
    {"quote_mode": "special_characters"},
    {"quote_mode": "special_characters", "escape_character": "\\"},
    {"quote_mode": "all_non_numeric"},
    {"quote_mode": "all_non_null"},
    {"quote_mode": "all", "escape_character": "\\"},
    {"quote_mode": "none"},
    {"quote_mode": "none", "escape_character": "\\"},
]
VALUES: dict[str | int | None, list[str]] = {
    "plain": ["plain", "plain", '"plain"', '"plain"', '"plain"', "plain", "plain"],
    "": ['""', '""', '""', '""', '""', "", ""],
    None: ["", "", "", "", '""', "", ""],
    -10: ["-10", "-10", "-10", '"-10"', '"-10"', "-10", "-10"],
    'a "b"': ['"a ""b"""', r'"a \"b\""', '"a ""b"""', '"a ""b"""', r'"a \"b\""', 'a "b"', 'a "b"'],
    "c,d": ['"c,d"', '"c,d"', '"c,d"', '"c,d"', '"c,d"', "c,d", r"c\,d"],
    r"e\f": [r"e\f", r'"e\\f"', r'"e\f"', r'"e\f"', r'"e\\f"', r"e\f", r"e\\f"],
    "g\nh": ['"g\nh"', '"g\nh"', '"g\nh"', '"g\nh"', '"g\nh"', "g\nh", "g\\\nh"],
    "i\r\nj": ['"i\r\nj"', '"i\r\nj"', '"i\r\nj"', '"i\r\nj"', '"i\r\nj"', "i\r\nj", "i\\\r\\\nj"],
    " k": ['" k"', '" k"', '" k"', '" k"', '" k"', " k", " k"],
    "l\t": ['"l\t"', '"l\t"', '"l\t"', '"l\t"', '"l\t"', "l\t", "l\t"],
    "#m": ['"#m"', '"#m"', '"#m"', '"#m"', '"#m"', "#m", "#m"],
    "$n": ["$n", "$n", '"$n"', '"$n"', '"$n"', "$n", "$n"],
    "-1": ["-1", "-1", '"-1"', '"-1"', '"-1"', "-1", "-1"],
    "é東🙂": ["é東🙂", "é東🙂", '"é東🙂"', '"é東🙂"', '"é東🙂"', "é東🙂", "é東🙂"],
}


@pytest.mark.parametrize("ending", ["LF", "CRLF"])
@pytest.mark.parametrize("mode", range(len(MODES)))
def test_every_quote_mode_writes_the_expected_bytes(mode: int, ending: str) -> None:
    for value, expected in VALUES.items():
        batch = table([value], [value])
        line = f"{expected[mode]},{expected[mode]}" + {"LF": "\n", "CRLF": "\r\n"}[ending]
        assert file_of_batch(batch, header=False, line_ending=ending, **MODES[mode]).decode() == line


@pytest.mark.parametrize("mode", range(len(MODES)))
def test_the_quote_as_escape_character_equals_no_escape_character(mode: int) -> None:
    given_settings = MODES[mode] | {"escape_character": None}
    batch = table([value for value in VALUES if not isinstance(value, int)])
    assert file_of_batch(batch, **given_settings) == file_of_batch(batch, **given_settings | {"escape_character": '"'})


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("special_characters", '"NULL",NULL,"",0'),
        ("all_non_numeric", '"NULL",NULL,"",0'),
        ("all_non_null", '"NULL",NULL,"","0"'),
        ("all", '"NULL","NULL","","0"'),
        ("none", "NULL,NULL,,0"),
    ],
)
def test_null_text_differs_from_the_same_text(mode: str, expected: str) -> None:
    batch = table(["NULL"], [None], [""], [0])
    assert file_of_batch(batch, header=False, quote_mode=mode, null_text="NULL").decode() == expected + "\n"


@pytest.mark.parametrize(
    ("given_settings", "expected"),
    [
        ({}, b'a,"b,c"\nx,1\n'),
        ({"line_ending": "CRLF"}, b'a,"b,c"\r\nx,1\r\n'),
        ({"header": False}, b"x,1\n"),
        ({"header": False, "line_ending": "CRLF"}, b"x,1\r\n"),
        ({"file_format": "tsv"}, b"a\tb,c\nx\t1\n"),
        ({"file_format": "psv"}, b"a|b,c\nx|1\n"),
        ({"file_format": "custom", "delimiter": ";"}, b"a;b,c\nx;1\n"),
        ({"file_format": "custom", "delimiter": "\u00a7"}, "a§b,c\nx§1\n".encode()),
        ({"quote_mode": "all"}, b'"a","b,c"\n"x","1"\n'),
        ({"quote_mode": "all_non_numeric"}, b'"a","b,c"\n"x",1\n'),
        ({"quote_mode": "none", "escape_character": "\\"}, b"a,b\\,c\nx,1\n"),
        ({"row_number": "row_number"}, b'row_number,a,"b,c"\n1,x,1\n'),
        ({"row_number": "n", "quote_mode": "all"}, b'"n","a","b,c"\n"1","x","1"\n'),
        ({"row_number": "n", "quote_mode": "all_non_numeric"}, b'"n","a","b,c"\n1,"x",1\n'),
    ],
)
def test_settings_of_header_and_format(given_settings: dict[str, Any], expected: bytes) -> None:
    assert file_of_batch(table(a=["x"], **{"b,c": [1]}), **given_settings) == expected


@pytest.mark.parametrize("name", ["", "NULL", "é", ' "x', "a\nb"])
def test_a_header_is_quoted_like_any_text(name: str) -> None:
    for mode in ("special_characters", "all", "all_non_null", "all_non_numeric"):
        (header, value) = csv.reader(
            io.StringIO(file_of_batch(table(**{name: [name]}), quote_mode=mode, null_text="NULL").decode(), newline="")
        )
        assert header == value == [name]


@pytest.mark.parametrize(
    ("batch", "given_settings", "expected"),
    [
        # A number is quoted only if it would break its row or look like NULL.
        (table([1.5, -2.0]), {"file_format": "custom", "delimiter": "."}, b'"1.5"\n"-2.0"\n'),
        (table([2.5]), {"file_format": "custom", "delimiter": ".", "quote_mode": "all_non_numeric"}, b'"2.5"\n'),
        (table([1e22]), {"file_format": "custom", "delimiter": "e", "quote_mode": "all_non_numeric"}, b'"1e+22"\n'),
        (table([21, 3]), {"escape_character": "1", "quote_mode": "all_non_numeric"}, b'"211"\n3\n'),
        (table([0, None, 1]), {"null_text": "0"}, b'"0"\n0\n1\n'),
        (table([0, None, 1]), {"null_text": "0", "quote_mode": "all_non_numeric"}, b'"0"\n0\n1\n'),
        (table([-2]), {"quote_mode": "none", "escape_character": "2"}, b"-22\n"),
        # NaN is a number, whatever its text.
        (table([float("nan"), 1.0]), {"nan_text": "NaN"}, b"NaN\n1.0\n"),
        (table([float("nan"), 1.0]), {"nan_text": "NaN", "quote_mode": "all_non_numeric"}, b"NaN\n1.0\n"),
        (table([float("nan"), None]), {"nan_text": "", "quote_mode": "all_non_numeric"}, b'""\n\n'),
        # For PostgreSQL's COPY, \. on a separate line ends the data.
        (table(["\\."]), {}, b'"\\."\n'),
        (table([True, None]), {"quote_mode": "all_non_numeric"}, b'"true"\n\n'),
        (table(pa.nulls(1), pa.nulls(1, pa.string())), {"null_text": "-"}, b"-,-\n"),
    ],
)  # fmt: skip
def test_edge_cases(batch: pa.RecordBatch, given_settings: dict[str, Any], expected: bytes) -> None:
    assert file_of_batch(batch, header=False, **given_settings) == expected
