"""Errors of PostgreSQL are classified and reported without a customer's value."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import duckdb
import psycopg
import pytest
from support import postgres
from support.canary import CANARY, failure
from support.files.tabular import rows_of

from persado.errors import ConfigurationError, PersadoError, TransientError
from persado.pipeline.extract.engines import extract
from persado.pipeline.extract.query_errors import database_errors

# The value appears in row 20,000, so the query fails while its rows are fetched.
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
def test_failing_conversion_hides_the_value(sql: str, pg: Any) -> None:
    error = failure(pg, sql)
    assert isinstance(error, ConfigurationError)
    assert "SQLSTATE 22" in str(error)
    assert "withheld because it may quote a customer's value; run the query in the warehouse's client" in str(error)
    with closing(duckdb.connect()) as duck:
        error = failure(duck, sql)
    assert isinstance(error, ConfigurationError)
    assert "the query failed: Conversion Error. The database's message is withheld" in str(error)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT {LATE}::regclass FROM {SERIES}",  # the name that does not exist is a value
        f"SELECT ({LATE})::regtype FROM {SERIES}",
        f"SELECT pg_temp.refuse({LATE}) FROM {SERIES}",
        f"SELECT set_config('timezone', {LATE}, true) FROM {SERIES}",
    ],
)
def test_errors_about_names_that_are_values_hide_them(sql: str, pg: Any) -> None:
    pg.execute("""
        CREATE FUNCTION pg_temp.refuse(x text) RETURNS text LANGUAGE plpgsql AS $$
        BEGIN IF x <> '1' THEN RAISE 'refused: %', x; END IF; RETURN x; END $$
    """)
    assert isinstance(failure(pg, sql), ConfigurationError)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT nope FROM pg_class", r'column "nope" does not exist$'),
        ("SELECT * FROM nope", r'relation "nope" does not exist$'),
        ("SELEC 1", r'syntax error at or near "SELEC"; expected one SELECT statement$'),
        ("SELECT relnam FROM pg_class", r'\(Perhaps you meant to reference the column "pg_class.relname"'),
        ("SELECT * FROM pg_temp.secret", r"permission denied for table secret$"),
        ("WITH t AS (DELETE FROM pg_temp.secret RETURNING 1) SELECT * FROM t", "must not contain data-modifying"),
    ],
)  # fmt: skip
def test_errors_about_the_query_are_reported(sql: str, message: str, pg: Any) -> None:
    pg.execute("CREATE TEMPORARY TABLE secret (x int); CREATE ROLE guest; SET LOCAL ROLE guest")
    error = failure(pg, sql)
    assert isinstance(error, ConfigurationError)
    with pytest.raises(ConfigurationError, match=message):
        raise error


def test_lost_connection_is_transient(pg: Any) -> None:
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


def test_statement_timeout_is_not_transient(pg: Any) -> None:
    pg.execute("SET LOCAL statement_timeout = 50")
    error = failure(pg, "SELECT pg_sleep(10)")
    assert isinstance(error, ConfigurationError)
    assert str(error) == "the query failed: canceling statement due to statement timeout"


def test_lock_timeout_is_transient(pg: Any) -> None:
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


def test_invalid_utf8_from_a_server_that_does_not_check_it() -> None:
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
    assert str(error) == "the query failed: a text is not valid UTF-8; fix the source or the query"


@pytest.mark.parametrize(
    ("parameters", "expected", "message"),
    [
        ({"dbname": "nope"}, ConfigurationError, 'database "nope" does not exist'),
        ({"user": "nope"}, ConfigurationError, 'role "nope" does not exist'),
        ({"host": "/nowhere"}, TransientError, "No such file or directory"),
        ({"conninfo": "password secret"}, ConfigurationError, "ProgrammingError. The database's message is withheld"),
    ],
)
def test_errors_while_connecting(parameters: dict[str, str], expected: type[PersadoError], message: str) -> None:
    given = {"conninfo": "", "host": postgres.host(), "user": postgres.USER, "dbname": "postgres"} | parameters
    with pytest.raises(expected, match=message) as caught, database_errors("cannot connect to 'warehouse'"):
        psycopg.connect(**given)  # type: ignore[arg-type]  # all of them are texts
    assert str(caught.value).startswith("cannot connect to 'warehouse': ")
    assert "secret" not in str(caught.value)


def test_errors_of_psycopg2() -> None:
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
