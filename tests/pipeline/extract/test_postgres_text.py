"""The text that PostgreSQL writes equals, byte for byte, the text formatted through Arrow."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support.files.formatted import BY_ARROW, COPIED, written
from support.files.postgres_values import NOT_FINITE, OUT_OF_CALENDAR, ROW, SETTINGS, TYPES, all_settings, rows
from support.files.tabular import file_of, settings

from persado.errors import ConfigurationError


@pytest.fixture(scope="module")
def pg(pg_with_unusual_settings: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    return pg_with_unusual_settings


# Types that go through Arrow, with the same text.
THROUGH_ARROW = {
    "money": ["'-1234.50'"],
    "timetz": ["'05:06:07.5+02'"],
    "numeric[]": ["ARRAY[1.10, NULL]"],
    "float8[]": ["ARRAY[0.1, 1e16]"],
    "timestamp[]": ["ARRAY['2026-01-02 03:04:05.5']"],
    "point": ["'(1,2.5)'"],
    "pg_temp.mood[]": ["ARRAY['happy']"],
}


@pytest.mark.parametrize("wanted", SETTINGS, ids=str)
def test_every_type_with_every_kind_of_settings(wanted: dict[str, Any], pg: Any) -> None:
    for type_, values in TYPES.items():
        sql = rows(type_, values)
        read_by, text = written(pg, sql, settings(**wanted))
        assert (type_, read_by, text) == (type_, COPIED, file_of(pg, sql, **wanted))


@pytest.mark.parametrize("type_", THROUGH_ARROW)
def test_types_without_an_exact_text_in_sql_go_through_arrow(type_: str, pg: Any) -> None:
    sql = rows(type_, THROUGH_ARROW[type_])
    assert written(pg, sql, settings()) == (BY_ARROW, file_of(pg, sql))


@hypothesis_settings(max_examples=80, deadline=None, derandomize=True)
@hypothesis_given(st.lists(ROW, max_size=6), all_settings())
def test_random_values_and_settings_give_the_same_file(pg: Any, values: list[Any], wanted: dict[str, Any]) -> None:
    pg.execute("DELETE FROM given")
    with pg.cursor() as cursor:
        cursor.executemany("INSERT INTO given VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", values)
    sql = "SELECT * FROM given ORDER BY ctid"
    read_by, text = written(pg, sql, settings(**wanted))
    null_text = wanted["null_text"]
    distinct = null_text not in {" ", "#", "\\."} and (wanted["escape_character"] or '"') not in null_text
    assert read_by == (COPIED if distinct or wanted["quote_mode"] == "all" else read_by)
    assert text == file_of(pg, sql, **wanted)


@pytest.mark.parametrize(
    ("type_", "value", "problem"),
    [
        *((type_, value, "NaN or Infinity has no agreed text; set nan_text") for type_, value in NOT_FINITE),
        *((type_, value, "expected a date between the years 0001 and 9999") for type_, value in OUT_OF_CALENDAR),
    ],
)
def test_values_without_a_text_form_are_refused_with_row_and_column(
    type_: str, value: str, problem: str, pg: Any
) -> None:
    columns = f"i, CASE WHEN i = 20001 THEN '{value}'::{type_} END AS x"
    for more in ("", ", 'a, \"b\"' AS y, NULL::text AS z"):  # a text column carries the marks of the others
        sql = f"SELECT {columns}{more} FROM generate_series(1, 30000) AS t(i)"
        for quote_mode in ("special_characters", "all"):
            with pytest.raises(ConfigurationError, match=rf"^row 20001, column 'x': {problem}"):
                written(pg, sql, settings(quote_mode=quote_mode))
        assert pg.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(("type_", "value"), NOT_FINITE)
@pytest.mark.parametrize("nan_text", ["NaN", "#", "", "a,b"])
def test_nan_and_infinity_use_nan_text(type_: str, value: str, nan_text: str, pg: Any) -> None:
    sql = f"SELECT '{value}'::{type_} AS x, NULL::{type_} AS y, 1::{type_} AS z"
    wanted = {"nan_text": nan_text, "file_format": "tsv"}
    assert written(pg, sql, settings(**wanted)) == (COPIED, file_of(pg, sql, **wanted))
