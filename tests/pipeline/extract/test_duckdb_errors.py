"""Errors of DuckDB: its file, its settings, the query and the data."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from support.canary import CANARY, failure

from persado.connections.source import open_source
from persado.errors import ConfigurationError, TransientError
from persado.pipeline.extract.query_errors import database_errors


def test_file_locked_by_another_process_is_transient(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == b"open\n"
        with pytest.raises(TransientError, match="Could not set lock on file"), database_errors("cannot connect"):
            duckdb.connect(path, read_only=True)
        writer.communicate()


def test_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="database does not exist"), database_errors("cannot connect"):
        duckdb.connect(tmp_path / "w.duckdb", read_only=True)


@pytest.fixture
def duckdb_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Return a function that sets the extra of the connection `warehouse`, a DuckDB file."""
    path = tmp_path / "w.duckdb"
    duckdb.connect(path).close()

    def define(extra: object) -> None:
        fields = {"conn_type": "duckdb", "host": str(path), "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(fields))

    return define


def test_settings_of_the_connection_are_applied(duckdb_file: Callable[[object], None]) -> None:
    duckdb_file({"config": {"memory_limit": "200MiB", "threads": 1}})
    with open_source("warehouse") as connection:
        found = connection.execute("SELECT current_setting('memory_limit'), current_setting('threads')").fetchone()
    assert found == ("200.0 MiB", 1)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"memory_limt": "1GB"}, "options were not recognized: memory_limt"),
        ({"memory_limit": "much"}, "Memory must have a number"),
        ("memory_limit=1GB", "expected a dictionary of DuckDB settings, .*, got str$"),
    ],
)
def test_wrong_settings_are_reported(config: object, message: str, duckdb_file: Callable[[object], None]) -> None:
    duckdb_file({"config": config})
    expected = pytest.raises(ConfigurationError, match=f"cannot connect to 'warehouse': .*{message}")
    with expected, open_source("warehouse"):
        pass


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT nope FROM range(3)", 'Referenced column "nope" not found'),
        ("SELECT * FROM nope", "Table with name nope does not exist"),
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM 'nope.csv'", "nope.csv"),
        ("SELECT 1; SELECT 2", "expected one SELECT statement"),
    ],
)
def test_errors_about_the_query_are_reported(sql: str, message: str) -> None:
    with closing(duckdb.connect()) as connection, pytest.raises(ConfigurationError, match=message):
        raise failure(connection, sql)


def test_syntax_error_has_the_line_number_but_not_the_line() -> None:
    with closing(duckdb.connect()) as connection:
        error = failure(connection, "SELECT 1 AS a\nWHERE 'ann@example.com' = = 1")
    assert str(error).endswith("(line 2)")


def test_errors_in_the_data_hide_values(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a\n1\n" * 20_000 + f"{CANARY}\n")
    with closing(duckdb.connect()) as connection:
        sql = f"SELECT * FROM read_csv('{tmp_path}/bad.csv', columns = {{'a': 'INT'}}, header = true)"
        assert isinstance(failure(connection, sql), ConfigurationError)
        assert isinstance(failure(connection, f"SELECT error('{CANARY}') FROM range(3)"), ConfigurationError)
        assert isinstance(failure(connection, f"SELECT ('{CANARY}' || i)::int FROM range(9) t(i)"), ConfigurationError)
        connection.execute("SET memory_limit = '20MB'; SET temp_directory = ''")
        error = failure(connection, "SELECT i, hash(i) h FROM range(9000000) t(i) ORDER BY h")
        assert isinstance(error, TransientError)
        assert "Out of Memory Error" in str(error)
