"""What goes wrong in a database: sorted rightly, told plainly, and never with a customer's value."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from support import postgres
from support.files.tabular import rows_of

from persado.connections.source import open_source
from persado.errors import ConfigurationError, PersadoError, TransientError
from persado.pipeline.extract.query_errors import database_errors
from persado.pipeline.extract.read import extract

CANARY = "ann@example.com"


@pytest.fixture
def pg() -> Iterator[psycopg.Connection[Any]]:
    with postgres.connect() as connection:
        yield connection
        if not connection.closed:
            connection.rollback()


def failure(connection: Any, sql: str) -> PersadoError:
    """Run a query that fails; nothing that hangs on the error may hold the value."""
    with pytest.raises(PersadoError) as caught:
        rows_of(connection, sql)
    error: BaseException | None = caught.value
    while error is not None:
        assert CANARY not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__
    return caught.value


# {late} is the value from row 20,000 on, so that the query fails while its rows are fetched.
LATE = "(CASE WHEN i >= 20000 THEN 'ann@example.com' ELSE '1' END)"
SERIES = "generate_series(1, 30000) AS t(i)"
CONVERSIONS = [
    "SELECT CAST('ann@example.com' AS int)",
    "SELECT CAST(x AS int) FROM (VALUES ('ann@example.com')) AS t(x)",
    f"SELECT CAST({LATE} AS int) FROM {SERIES}",
    f"SELECT CAST({LATE} AS date) FROM {SERIES}",
    f"SELECT CAST({LATE} AS uuid) FROM {SERIES}",
    f"SELECT sqrt(CAST({LATE} AS float)) FROM {SERIES}",
]


@pytest.mark.parametrize("sql", CONVERSIONS)
def test_a_conversion_that_fails(sql: str, pg: Any) -> None:
    error = failure(pg, sql)
    assert isinstance(error, ConfigurationError)
    assert "SQLSTATE 22" in str(error)
    assert "withheld, because it may quote a customer's value; run the query in the warehouse's client" in str(error)
    with closing(duckdb.connect()) as duck:
        error = failure(duck, sql)
    assert isinstance(error, ConfigurationError)
    assert "the query failed: Conversion Error. The database's own text is withheld" in str(error)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT {LATE}::regclass FROM {SERIES}",  # a name that does not exist: but the name is a value
        f"SELECT ({LATE})::regtype FROM {SERIES}",
        f"SELECT pg_temp.refuse({LATE}) FROM {SERIES}",
        f"SELECT set_config('timezone', {LATE}, true) FROM {SERIES}",
    ],
)
def test_an_error_about_names_that_are_values(sql: str, pg: Any) -> None:
    pg.execute("""
        CREATE FUNCTION pg_temp.refuse(x text) RETURNS text LANGUAGE plpgsql AS $$
        BEGIN IF x <> '1' THEN RAISE 'refused: %', x; END IF; RETURN x; END $$
    """)
    assert isinstance(failure(pg, sql), ConfigurationError)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT nope FROM pg_class", r'column "nope" does not exist$'),
        ("SELECT * FROM nope", r'relation "nope" does not exist$'),
        ("SELEC 1", r'syntax error at or near "SELEC"; expected one SELECT statement$'),
        ("SELECT relnam FROM pg_class", r'\(Perhaps you meant to reference the column "pg_class.relname"'),
        ("SELECT * FROM pg_temp.secret", r"permission denied for table secret$"),
        ("WITH t AS (DELETE FROM pg_temp.secret RETURNING 1) SELECT * FROM t", "must not contain data-modifying"),
    ],
)  # fmt: skip
def test_an_error_about_the_query_is_told(sql: str, told: str, pg: Any) -> None:
    pg.execute("CREATE TEMPORARY TABLE secret (x int); CREATE ROLE guest; SET LOCAL ROLE guest")
    error = failure(pg, sql)
    assert isinstance(error, ConfigurationError)
    with pytest.raises(ConfigurationError, match=told):
        raise error


def test_a_lost_connection_is_transient(pg: Any) -> None:
    with postgres.connect(autocommit=True) as other, extract(pg, f"SELECT i FROM {SERIES}") as rows:
        next(rows.batches)
        other.execute("SELECT pg_terminate_backend(%s)", (pg.info.backend_pid,))
        with pytest.raises(
            TransientError, match=r"terminating connection due to administrator command|connection"
        ) as e:
            list(rows.batches)
        assert e.value.__context__ is None
    with pytest.raises(TransientError, match="the connection is closed"):
        rows_of(pg, "SELECT 1")


def test_a_statement_that_takes_too_long_wants_a_person(pg: Any) -> None:
    pg.execute("SET LOCAL statement_timeout = 50")
    error = failure(pg, "SELECT pg_sleep(10)")
    assert isinstance(error, ConfigurationError)
    assert str(error) == "the query failed: canceling statement due to statement timeout"


def test_a_lock_that_is_not_to_be_had_is_transient(pg: Any) -> None:
    with postgres.connect() as other:
        other.execute("CREATE TABLE locked (x int)")
        other.commit()
        try:
            other.execute("LOCK TABLE locked")
            pg.execute("SET LOCAL lock_timeout = 50")
            with pytest.raises(TransientError, match="canceling statement due to lock timeout"):
                rows_of(pg, "SELECT * FROM locked")
            pg.rollback()
        finally:
            other.execute("DROP TABLE locked")
            other.commit()


def test_text_that_the_server_never_checked() -> None:
    with postgres.connect(autocommit=True) as admin:
        admin.execute("CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0")
    try:
        with postgres.connect("bytes") as connection:
            assert rows_of(connection, "SELECT 'é' AS x") == [("é",)]
            error = failure(connection, f"SELECT '{CANARY}' || E'\\xff' AS x")
    finally:
        with postgres.connect(autocommit=True) as admin:
            admin.execute("DROP DATABASE bytes")
    assert isinstance(error, ConfigurationError)
    assert str(error) == "the query failed: a text is not valid UTF-8; mend the source or the query"


@pytest.mark.parametrize(
    ("parameters", "expected", "told"),
    [
        ({"dbname": "nope"}, ConfigurationError, 'database "nope" does not exist'),
        ({"user": "nope"}, ConfigurationError, 'role "nope" does not exist'),
        ({"host": "/nowhere"}, TransientError, "No such file or directory"),
        ({"conninfo": "password secret"}, ConfigurationError, "ProgrammingError. The database's own text is withheld"),
    ],
)
def test_connecting_to_postgresql(parameters: dict[str, str], expected: type[PersadoError], told: str) -> None:
    given = {"conninfo": "", "host": postgres.host(), "user": postgres.USER, "dbname": "postgres"} | parameters
    with pytest.raises(expected, match=told) as caught, database_errors("cannot connect to 'warehouse'"):
        psycopg.connect(**given)  # type: ignore[arg-type]  # all of them are texts
    assert str(caught.value).startswith("cannot connect to 'warehouse': ")
    assert "secret" not in str(caught.value)


def test_a_duckdb_file_that_another_process_writes_is_transient(tmp_path: Path) -> None:
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


def test_a_duckdb_file_that_is_not_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="database does not exist"), database_errors("cannot connect"):
        duckdb.connect(tmp_path / "w.duckdb", read_only=True)


@pytest.fixture
def duckdb_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Give what sets the extra of the connection `warehouse`, a DuckDB file."""
    path = tmp_path / "w.duckdb"
    duckdb.connect(path).close()

    def define(extra: object) -> None:
        fields = {"conn_type": "duckdb", "host": str(path), "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(fields))

    return define


def test_a_duckdb_file_gets_the_settings_of_the_connection(duckdb_file: Callable[[object], None]) -> None:
    duckdb_file({"config": {"memory_limit": "200MiB", "threads": 1}})
    with open_source("warehouse") as connection:
        found = connection.execute("SELECT current_setting('memory_limit'), current_setting('threads')").fetchone()
    assert found == ("200.0 MiB", 1)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"memory_limt": "1GB"}, "options were not recognized: memory_limt"),
        ({"memory_limit": "much"}, "Memory must have a number"),
        ("memory_limit=1GB", "holds settings of DuckDB, .*; got str$"),
    ],
)
def test_wrong_settings_for_a_duckdb_file(config: object, told: str, duckdb_file: Callable[[object], None]) -> None:
    duckdb_file({"config": config})
    expected = pytest.raises(ConfigurationError, match=f"cannot connect to 'warehouse': .*{told}")
    with expected, open_source("warehouse"):
        pass


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT nope FROM range(3)", 'Referenced column "nope" not found'),
        ("SELECT * FROM nope", "Table with name nope does not exist"),
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM 'nope.csv'", "nope.csv"),
        ("SELECT 1; SELECT 2", "expected one SELECT statement"),
    ],
)
def test_an_error_about_a_query_in_duckdb_is_told(sql: str, told: str) -> None:
    with closing(duckdb.connect()) as connection, pytest.raises(ConfigurationError, match=told):
        raise failure(connection, sql)


def test_the_line_of_a_query_that_duckdb_does_not_take_is_numbered_but_not_quoted() -> None:
    with closing(duckdb.connect()) as connection:
        error = failure(connection, "SELECT 1 AS a\nWHERE 'ann@example.com' = = 1")
    assert str(error).endswith("(line 2)")


def test_duckdb_errors_in_the_data(tmp_path: Path) -> None:
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


def test_a_locked_sqlite_file_is_transient(tmp_path: Path) -> None:
    path = tmp_path / "w.sqlite"
    with closing(sqlite3.connect(path)) as writer, closing(sqlite3.connect(path, timeout=0)) as reader:
        writer.executescript("CREATE TABLE t (x); BEGIN EXCLUSIVE")
        with pytest.raises(TransientError, match="the query failed: database is locked"):
            rows_of(reader, "SELECT * FROM t")


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT nope", "no such column: nope"),
        ("SELECT * FROM nope", "no such table: nope"),
        ("SELEC 1", 'near "SELEC": syntax error'),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("CREATE TABLE t (x)", "attempt to write a readonly database"),
    ],
)
def test_an_error_about_a_query_in_sqlite_is_told(sql: str, told: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(ConfigurationError, match=told):
        raise failure(connection, sql)


@pytest.mark.parametrize("value", [f"json_extract('{{}}', '{CANARY}')", f"refuse('{CANARY}')", f"json('{CANARY}')"])
@pytest.mark.parametrize("late", [1, 20_000])
def test_sqlite_errors_in_the_data(value: str, late: int) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.create_function("refuse", 1, int)
        rows = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < 30000)"
        error = failure(connection, f"{rows} SELECT CASE WHEN i >= {late} THEN {value} END FROM t")
        assert isinstance(error, ConfigurationError)
        assert "withheld" in str(error)


def test_sqlite_text_that_is_not_utf8_names_its_column() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        error = failure(connection, f"SELECT 1 AS a, CAST(CAST('{CANARY}' AS blob) || x'ff' AS text) AS \"it's\"")
    assert isinstance(error, ConfigurationError)
    assert str(error) == ('the query failed: a text in column "it\'s" is not valid UTF-8; mend the source or the query')


def test_a_sqlite_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "w.sqlite").write_text("no database" * 100)
    with closing(sqlite3.connect(tmp_path / "w.sqlite")) as connection:
        assert isinstance(failure(connection, "SELECT * FROM t"), ConfigurationError)


def test_a_program_that_is_wrong_is_not_disguised() -> None:
    with closing(sqlite3.connect(":memory:")) as connection, extract(connection, "SELECT 1") as rows:
        error: list[BaseException] = []

        def read() -> None:
            try:
                list(rows.batches)
            except BaseException as caught:
                error.append(caught)

        thread = threading.Thread(target=read)  # which SQLite forbids
        thread.start()
        thread.join()
    assert isinstance(error[0], PersadoError)


def test_another_driver() -> None:
    import psycopg2

    with closing(psycopg2.connect(host=postgres.host(), user=postgres.USER, dbname="postgres")) as connection:
        assert rows_of(connection, "SELECT 1 AS a, 1.10 AS b, NULL AS c") == [("1", "1.10", None)]
        with pytest.raises(ConfigurationError, match='column "nope" does not exist'):
            raise failure(connection, "SELECT nope")
        connection.rollback()
        assert isinstance(failure(connection, f"SELECT '{CANARY}'::int"), ConfigurationError)
        connection.rollback()
        with pytest.raises(ConfigurationError, match="expected one SELECT statement"):
            rows_of(connection, "SET datestyle = 'ISO'")
        connection.close()
        with pytest.raises(TransientError, match="connection already closed"):
            rows_of(connection, "SELECT 1")
