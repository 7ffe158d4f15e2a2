"""
Run a query over any DB-API connection and give its rows as Arrow record batches, in flat memory.

PostgreSQL is read through a server-side cursor, DuckDB and whatever else gives Arrow through their Arrow streams,
everything else by ``fetchmany``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from persado.pipeline.extract import arrow as from_arrow
from persado.pipeline.extract import dbapi as from_dbapi
from persado.pipeline.extract import duckdb_arrow as from_duckdb
from persado.pipeline.extract import postgres_cursor as from_postgres
from persado.pipeline.rows.rows import BATCH_ROWS, Rows, refuse_twice

__all__ = ["BATCH_ROWS", "Rows", "extract"]

_READERS = {
    "duckdb": (from_duckdb.read, "duckdb-arrow"),
    "_duckdb": (from_duckdb.read, "duckdb-arrow"),
    "psycopg": (from_postgres.read, "postgres-cursor"),
}


@contextmanager
def extract(connection: Any, sql: str, *, nan_text: str | None = None) -> Iterator[Rows]:
    """
    Run a query.

    :param connection: an open DB-API connection
    :param sql: one statement that gives rows
    :param nan_text: the text of NaN and the infinities, where a column has to become text at once; None refuses them
    :raises ConfigurationError: for a query that the database refuses, that gives no columns, or two of one name
    :raises TransientError: where the database was out of reach or busy
    """
    driver = type(connection).__module__.partition(".")[0]
    if driver in _READERS:
        read, path = _READERS[driver]
    else:
        read, path = (from_arrow.read, "arrow") if from_arrow.returns_arrow(connection) else (from_dbapi.read, "dbapi")
    with read(connection, sql, nan_text) as (columns, batches):
        refuse_twice(columns)
        yield Rows(columns, batches, path)
