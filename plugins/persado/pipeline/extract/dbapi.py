"""Read any DB-API connection, by ``fetchmany``, and through a cursor on the server's side where the driver has one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import pyarrow as pa

from persado.errors import ConfigurationError
from persado.pipeline.extract.query_errors import Phase, translating
from persado.pipeline.format.columns import column
from persado.pipeline.rows.rows import BATCH_BYTES, BATCH_ROWS, ONE_SELECT, Result

FIRST_ROWS = 1_000

MakeColumn = Callable[[int, Sequence[Any], int, pa.DataType | None], pa.Array]
"""Holds one batch of a column: its position, the values, the first row's number, the type of the batch before."""


@contextmanager
def read(connection: Any, sql: str, nan_text: str | None) -> Iterator[Result]:
    """
    Run a query.

    :param connection: an open DB-API connection
    :param sql: one statement that gives rows
    :param nan_text: the text of NaN and the infinities, where a column has to become text at once; None refuses them
    """
    with executed(connection, sql) as (cursor, columns):

        def make(position: int, values: Sequence[Any], first_row: int, previous: pa.DataType | None) -> pa.Array:
            return column(values, name=columns[position], first_row=first_row, nan_text=nan_text, previous=previous)

        yield columns, fetch(cursor, columns, make)


@contextmanager
def executed(connection: Any, sql: str) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """
    Run a query; one in SQLite cannot change anything.

    :param connection: an open DB-API connection
    :param sql: one statement that gives rows
    :return: the cursor, and the names of the columns
    """
    dialect = _dialect_of(connection)
    with closing(translating(partial(open_cursor, connection), "prepare")) as cursor:
        translating(lambda: dialect.before(cursor, sql), "prepare")
        translating(lambda: cursor.execute(sql), dialect.phase)
        translating(lambda: dialect.after(cursor), "prepare")
        if cursor.description is None:
            raise ConfigurationError(ONE_SELECT)
        yield cursor, tuple(entry[0] for entry in cursor.description)


def open_cursor(connection: Any) -> Any:
    """Open a cursor: on the server's side where the driver's usual one would fetch the whole result at once."""
    return _dialect_of(connection).open_cursor(connection)


def driver_of(connection: Any) -> str:
    """Return the name of the package that a connection comes from."""
    return type(connection).__module__.partition(".")[0]


@dataclass(frozen=True, kw_only=True)
class _Dialect:
    """
    What a driver needs to be done differently.

    :param open_cursor: opens a cursor that does not fetch the whole result at once
    :param before: prepares a cursor for a query
    :param phase: what an error speaks of when the query is executed
    :param after: has the cursor know its columns
    """

    open_cursor: Callable[[Any], Any] = lambda connection: connection.cursor()
    before: Callable[[Any, str], Any] = lambda _cursor, _sql: None
    phase: Phase = "prepare"
    after: Callable[[Any], Any] = lambda _cursor: None


def _prepare_sqlite(cursor: Any, sql: str) -> None:
    cursor.row_factory = None
    cursor.execute("PRAGMA query_only = ON")
    # SQLite begins to run a query while it prepares it; prepared alone, it speaks of nothing but the query.
    cursor.execute(f"EXPLAIN {sql}")


def _open_named_cursor(connection: Any) -> Any:
    if connection.autocommit:
        connection.autocommit = False  # such a cursor lives in a transaction
    return connection.cursor(name="persado_delivery")


def _open_unbuffered_cursor(connection: Any) -> Any:
    return connection.cursor(import_module(f"{driver_of(connection)}.cursors").SSCursor)


def _dialect_of(connection: Any) -> _Dialect:
    return _DIALECTS.get(driver_of(connection), _ORDINARY)


_ORDINARY = _Dialect()
_DIALECTS = {
    "sqlite3": _Dialect(before=_prepare_sqlite, phase="run"),
    # psycopg2 asks the server for the columns with the first rows only.
    "psycopg2": _Dialect(open_cursor=_open_named_cursor, after=lambda cursor: cursor.fetchmany(0)),
    "MySQLdb": _Dialect(open_cursor=_open_unbuffered_cursor),
    "pymysql": _Dialect(open_cursor=_open_unbuffered_cursor),
}


def fetch(
    cursor: Any, columns: Sequence[str], make: MakeColumn, known: Sequence[pa.DataType | None] = ()
) -> Iterator[pa.RecordBatch]:
    """
    Fetch the rows of an executed query.

    :param cursor: the cursor
    :param columns: the names of the columns
    :param make: holds one batch of a column
    :param known: the types of the columns, where the database tells them; then also an empty result has its types
    """
    types = list(known or [None] * len(columns))
    first_row = 1
    sizes = Sizes()
    while rows := translating(partial(cursor.fetchmany, sizes.wanted), "run"):
        arrays = [
            make(position, values, first_row, previous)
            for position, (values, previous) in enumerate(zip(zip(*rows, strict=True), types, strict=True))
        ]
        types = [array.type for array in arrays]
        first_row += len(rows)
        batch = pa.RecordBatch.from_arrays(arrays, names=list(columns))
        sizes.learn(len(rows), batch.nbytes)
        yield batch
    if known and first_row == 1:
        yield pa.RecordBatch.from_arrays([pa.nulls(0, type_) for type_ in types], names=list(columns))


class Sizes:
    """How many rows to fetch at once: fewer where values are large."""

    def __init__(self) -> None:
        self.wanted = FIRST_ROWS

    def learn(self, rows: int, size: int) -> None:
        """
        Learn from a batch.

        :param rows: how many rows it had
        :param size: their bytes
        """
        self.wanted = max(1, min(BATCH_ROWS, BATCH_BYTES * rows // (size + 1)))
