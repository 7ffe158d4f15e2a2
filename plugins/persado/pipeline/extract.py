"""
Run a query over any DB-API connection and give its rows as Arrow record batches, in flat memory.

PostgreSQL is read through a server-side cursor, DuckDB through its own Arrow stream, everything else by
``fetchmany``. What a driver would bend on the way (intervals, JSON, bit strings, times with a zone) is asked
for as text.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from persado.errors import ConfigurationError
from persado.pipeline.columns import column
from persado.pipeline.query_errors import database_errors

BATCH_ROWS = 10_000

# Arrow has no type for these DuckDB types: a time would lose its zone, bits would become bytes.
_AS_TEXT = {
    "BIT": "CAST($column AS VARCHAR)",
    "TIME WITH TIME ZONE": (
        "replace(strftime(DATE '2000-01-01' + CAST($column AS TIME), '%H:%M:%S.%f'), '.000000', '')"
        " || CASE WHEN date_part('timezone', $column) < 0 THEN '-' ELSE '+' END"
        " || format('{:02d}:{:02d}', abs(timezone_hour($column)), abs(timezone_minute($column)))"
    ),
}


@dataclass(frozen=True)
class Rows:
    """
    A query's result.

    :param columns: the names of the columns, in the query's order
    :param batches: the rows; to be read once, while the connection is open
    :param path: how they are read, for the receipt
    """

    columns: tuple[str, ...]
    batches: Generator[pa.RecordBatch]
    path: str


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
    with database_errors():
        match type(connection).__module__.partition(".")[0]:
            case "duckdb" | "_duckdb":
                rows = _from_duckdb(connection, sql)
            case "psycopg":
                rows = _from_postgres(connection, sql, nan_text)
            case _:
                rows = _from_cursor(connection.cursor(), sql, nan_text, path="dbapi")
    if twice := sorted({name for name in rows.columns if rows.columns.count(name) > 1}):
        raise ConfigurationError(f"the query gives several columns named {', '.join(twice)}; rename them with AS")
    try:
        yield replace(rows, batches=_translating_errors(rows.batches))
    finally:
        rows.batches.close()


def _translating_errors(batches: Iterator[pa.RecordBatch]) -> Generator[pa.RecordBatch]:
    with database_errors():
        yield from batches


def _from_cursor(cursor: Any, sql: str, nan_text: str | None, *, path: str) -> Rows:
    cursor.execute(sql)
    if cursor.description is None:
        raise ConfigurationError("the query gives no rows and no columns; expected one SELECT statement")
    columns = tuple(entry[0] for entry in cursor.description)
    return Rows(columns, _fetch(cursor, columns, nan_text), path)


def _fetch(cursor: Any, columns: Sequence[str], nan_text: str | None) -> Generator[pa.RecordBatch]:
    types: list[pa.DataType | None] = [None] * len(columns)
    first_row = 1
    try:
        while rows := cursor.fetchmany(BATCH_ROWS):
            arrays = [
                column(values, name=name, first_row=first_row, nan_text=nan_text, previous=previous)
                for name, values, previous in zip(columns, zip(*rows, strict=True), types, strict=True)
            ]
            types = [array.type for array in arrays]
            first_row += len(rows)
            yield pa.RecordBatch.from_arrays(arrays, names=list(columns))
    finally:
        cursor.close()


def _from_postgres(connection: Any, sql: str, nan_text: str | None) -> Rows:
    from psycopg.rows import tuple_row
    from psycopg.types.string import TextLoader

    # psycopg would turn months into 30 days and re-write JSON; the server's text of both is exact. A role or a
    # database may have changed how the server writes intervals and floats: ask for what this project promises.
    connection.execute("SET intervalstyle = 'iso_8601'")
    connection.execute("SET extra_float_digits = 1")
    # A named cursor lives on the server: a client-side one would hold the whole result in memory.
    cursor = connection.cursor(name="persado_delivery", row_factory=tuple_row)
    for name in ("json", "jsonb", "interval"):
        cursor.adapters.register_loader(name, TextLoader)
    return _from_cursor(cursor, sql, nan_text, path="postgres-cursor")


def _from_duckdb(connection: Any, sql: str) -> Rows:
    relation = connection.sql(sql)
    if relation is None:
        raise ConfigurationError("the query gives no rows and no columns; expected one SELECT statement")
    columns = tuple(relation.columns)
    if any(str(type_) in _AS_TEXT for type_ in relation.types):
        named = zip(('"' + name.replace('"', '""') + '"' for name in columns), map(str, relation.types), strict=True)
        relation = relation.project(
            ", ".join(f"{_AS_TEXT.get(type_, '$column').replace('$column', name)} AS {name}" for name, type_ in named)
        )
    return Rows(columns, _batches(relation.to_arrow_reader(BATCH_ROWS)), "duckdb-arrow")


def _batches(reader: pa.RecordBatchReader) -> Generator[pa.RecordBatch]:
    with reader:
        yield from reader
