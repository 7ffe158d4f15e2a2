"""Errors of SQLite: its file, the query, the data and the calling program."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from support.canary import CANARY, failure
from support.files.tabular import rows_of

from persado.errors import ConfigurationError, PersadoError, TransientError
from persado.pipeline.extract.engines import extract


def test_locked_file_is_transient(tmp_path: Path) -> None:
    path = tmp_path / "w.sqlite"
    with closing(sqlite3.connect(path)) as writer, closing(sqlite3.connect(path, timeout=0)) as reader:
        writer.executescript("CREATE TABLE t (x); BEGIN EXCLUSIVE")
        with pytest.raises(TransientError, match="the query failed: database is locked"):
            rows_of(reader, "SELECT * FROM t")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT nope", "no such column: nope"),
        ("SELECT * FROM nope", "no such table: nope"),
        ("SELEC 1", 'near "SELEC": syntax error'),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("CREATE TABLE t (x)", "attempt to write a readonly database"),
    ],
)
def test_errors_about_the_query_are_reported(sql: str, message: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(ConfigurationError, match=message):
        raise failure(connection, sql)


@pytest.mark.parametrize("value", [f"json_extract('{{}}', '{CANARY}')", f"refuse('{CANARY}')", f"json('{CANARY}')"])
@pytest.mark.parametrize("late", [1, 20_000])
def test_errors_in_the_data_hide_values(value: str, late: int) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.create_function("refuse", 1, int)
        rows = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < 30000)"
        error = failure(connection, f"{rows} SELECT CASE WHEN i >= {late} THEN {value} END FROM t")
        assert isinstance(error, ConfigurationError)
        assert "withheld" in str(error)


def test_invalid_utf8_is_reported_with_its_column() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        error = failure(connection, f"SELECT 1 AS a, CAST(CAST('{CANARY}' AS blob) || x'ff' AS text) AS \"it's\"")
    assert isinstance(error, ConfigurationError)
    assert str(error) == ('the query failed: a text in column "it\'s" is not valid UTF-8; fix the source or the query')


def test_file_that_is_not_a_database_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "w.sqlite").write_text("no database" * 100)
    with closing(sqlite3.connect(tmp_path / "w.sqlite")) as connection:
        assert isinstance(failure(connection, "SELECT * FROM t"), ConfigurationError)


def test_use_from_another_thread_is_an_error() -> None:
    with closing(sqlite3.connect(":memory:")) as connection, extract(connection, "SELECT 1") as rows:
        error: list[BaseException] = []

        def read() -> None:
            try:
                list(rows.batches)
            except BaseException as caught:
                error.append(caught)

        thread = threading.Thread(target=read)  # SQLite forbids use from another thread
        thread.start()
        thread.join()
    assert isinstance(error[0], PersadoError)
