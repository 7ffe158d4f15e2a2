"""Written files read back as the same table in Python's csv, pandas, PostgreSQL's COPY and DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support.files.readers import (
    Row,
    escape_of,
    read_with_duckdb,
    read_with_pandas,
    read_with_postgres,
    read_with_python,
)
from support.files.tabular import settings, table

from persado.pipeline.format.columns import mixed
from persado.pipeline.format.split import parts
from persado.settings.models.effective import Settings

Reader = Callable[[bytes, Settings, int], list[Row]]

PIECES = [*"aé東🙂,;|\t\"'\\\n\r #$1eN.^\x01\xa0\u2028", "\r\n"]
TEXT = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
LOOKALIKES = st.sampled_from(["", "NULL", "\\N", "\\.", "-1", "NaN", "true"])
NUMBER = st.integers(-(10**20), 10**20) | st.decimals(-1000, 1000, places=2)


@st.composite
def tables(draw: st.DrawFn) -> tuple[pa.RecordBatch, list[Row]]:
    """Return a batch, with one text column or with two and a column of numbers, and the text of its values."""
    kinds: list[st.SearchStrategy[Any]] = draw(
        st.sampled_from([[TEXT | LOOKALIKES], [TEXT | LOOKALIKES, NUMBER, TEXT | LOOKALIKES]])
    )
    rows = draw(st.lists(st.tuples(*(st.none() | kind for kind in kinds)), min_size=1, max_size=6))
    texts: list[Row] = [[None if v is None else str(v) for v in row] for row in rows]
    columns: list[Any] = [pa.array(column, pa.string()) for column in zip(*texts, strict=True)]
    if len(columns) > 1:
        columns[1] = mixed(columns[1], number=True)
    return table(*columns), texts


@st.composite
def all_settings(draw: st.DrawFn) -> Settings:
    delimiter = draw(st.sampled_from([",", "\t", "|", ";", " ", "#", "^", "1"]))
    escape = draw(st.sampled_from([None, "\\", '"', "^", "'"]))
    null_text = draw(st.sampled_from(["", "NULL", "\\N", "-1", "n/a"]))
    assume(escape != delimiter and delimiter not in null_text)
    return settings(
        file_format="custom",
        delimiter=delimiter,
        escape_character=escape,
        quote_mode=draw(st.sampled_from(["all", "all_non_null", "special_characters", "all_non_numeric", "none"])),
        null_text=null_text,
        line_ending=draw(st.sampled_from(["LF", "CRLF"])),
        header=False,
    )


def as_read(rows: list[Row], given: Settings, *, recognizes_null: bool) -> list[Row]:
    """Return the table as a reader sees it."""
    stands_for_null: str | None = given.null_text
    if recognizes_null and given.quote_mode != "all":
        stands_for_null = None
        if given.quote_mode == "none" and (given.escape_character or "") not in given.null_text:
            # Only an escape character, which is doubled in a text, distinguishes NULL from a text.
            rows = [[None if cell == given.null_text else cell for cell in row] for row in rows]
    elif given.quote_mode != "all" and (escape := escape_of(given)):
        stands_for_null = given.null_text.replace(escape, "")  # the reader sees an escaped character
    return [[stands_for_null if cell is None else cell for cell in row] for row in rows]


EXAMPLES = hypothesis_settings(max_examples=100, deadline=None, derandomize=True)


def reads_back(
    data: tuple[pa.RecordBatch, list[Row]], given_settings: Settings, read: Reader, *, recognizes_null: bool
) -> None:
    batch, rows = data
    written = b"".join(text for _, _, text in parts([batch], batch.schema.names, given_settings))
    expected = as_read(rows, given_settings, recognizes_null=recognizes_null)
    assert read(written, given_settings, batch.num_columns) == expected, written


def is_unescaped(given_settings: Settings) -> bool:
    """Return whether values may break their rows, which the settings must allow explicitly."""
    return given_settings.quote_mode == "none" and escape_of(given_settings) is None


@EXAMPLES
@given(tables(), all_settings())
def test_python_reads_the_same_table(data: Any, given_settings: Settings) -> None:
    assume(not is_unescaped(given_settings))
    reads_back(data, given_settings, read_with_python, recognizes_null=False)


@EXAMPLES
@given(tables(), all_settings())
def test_pandas_reads_the_same_table(data: Any, given_settings: Settings) -> None:
    assume(not is_unescaped(given_settings))
    reads_back(data, given_settings, read_with_pandas, recognizes_null=False)


@EXAMPLES
@given(tables(), all_settings())
def test_postgresql_reads_the_same_table(data: Any, given_settings: Settings) -> None:
    if given_settings.quote_mode == "none":  # the only escape character of COPY's text format
        assume(escape_of(given_settings) == "\\" and given_settings.delimiter != "1")
    reads_back(data, given_settings, read_with_postgres, recognizes_null=True)


@EXAMPLES
@given(tables(), all_settings())
def test_duckdb_reads_the_same_table(
    tmp_path_factory: pytest.TempPathFactory, data: Any, given_settings: Settings
) -> None:
    assume(given_settings.quote_mode != "none")  # DuckDB always interprets quotes
    assume((given_settings.escape_character or '"') not in given_settings.null_text)  # DuckDB refuses this
    folder = tmp_path_factory.getbasetemp()
    reads_back(data, given_settings, partial(read_with_duckdb, folder=folder), recognizes_null=True)
