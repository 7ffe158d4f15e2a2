"""Read any DB-API connection with ``fetchmany``, through a server-side cursor if the driver has one."""

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
"""Creates the array of one batch of a column from its position, values, first row number and previous type."""


@contextmanager
def read(connection: Any, sql: str, nan_text: str | None) -> Iterator[Result]:
    """
    Run a query.

    :param connection: an open DB-API connection
    :param sql: one statement that returns rows
    :param nan_text: the text for NaN and infinities in a column that is read as text; None refuses them
    """
    with executed(connection, sql) as (cursor, columns):

        def make(position: int, values: Sequence[Any], first_row: int, previous: pa.DataType | None) -> pa.Array:
            return column(values, name=columns[position], first_row=first_row, nan_text=nan_text, previous=previous)

        yield columns, fetch(cursor, columns, make)


@contextmanager
def executed(connection: Any, sql: str) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """
    Run a query; on SQLite it is read-only.

    :param connection: an open DB-API connection
    :param sql: one statement that returns rows
    :return: the cursor and the column names
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
    """Open a cursor: a server-side one if the driver's default cursor would fetch the whole result at once."""
    return _dialect_of(connection).open_cursor(connection)


def driver_of(connection: Any) -> str:
    """Return the name of the package that a connection comes from."""
    return type(connection).__module__.partition(".")[0]


@dataclass(frozen=True, kw_only=True)
class _Dialect:
    """
    The peculiarities of a driver.

    :param open_cursor: opens a cursor that does not fetch the whole result at once
    :param before: prepares a cursor for a query
    :param phase: the phase of errors from ``execute``
    :param after: makes the cursor's column names available
    """

    open_cursor: Callable[[Any], Any] = lambda connection: connection.cursor()
    before: Callable[[Any, str], Any] = lambda _cursor, _sql: None
    phase: Phase = "prepare"
    after: Callable[[Any], Any] = lambda _cursor: None


def _prepare_sqlite(cursor: Any, sql: str) -> None:
    cursor.row_factory = None
    cursor.execute("PRAGMA query_only = ON")
    # ``execute`` already starts the query, so its errors may contain values. EXPLAIN only prepares it: its errors are
    # about the query alone.
    cursor.execute(f"EXPLAIN {sql}")


def _open_named_cursor(connection: Any) -> Any:
    if connection.autocommit:
        connection.autocommit = False  # a named cursor needs a transaction
    return connection.cursor(name="persado_delivery")


def _open_unbuffered_cursor(connection: Any) -> Any:
    return connection.cursor(import_module(f"{driver_of(connection)}.cursors").SSCursor)


def _dialect_of(connection: Any) -> _Dialect:
    return _DIALECTS.get(driver_of(connection), _ORDINARY)


_ORDINARY = _Dialect()
_DIALECTS = {
    "sqlite3": _Dialect(before=_prepare_sqlite, phase="run"),
    # psycopg2 learns the columns only when it fetches.
    "psycopg2": _Dialect(open_cursor=_open_named_cursor, after=lambda cursor: cursor.fetchmany(0)),
    "MySQLdb": _Dialect(open_cursor=_open_unbuffered_cursor),
    "pymysql": _Dialect(open_cursor=_open_unbuffered_cursor),
}


def fetch(
    cursor: Any, columns: Sequence[str], make: MakeColumn, known: Sequence[pa.DataType | None] = ()
) -> Iterator[pa.RecordBatch]:
    """
    Fetch the rows of an executed query.

    :param make: creates the array of one batch of a column
    :param known: the column types, if the database reports them; an empty result then has its types as well
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
    """The number of rows to fetch at once: fewer if values are large."""

    def __init__(self) -> None:
        self.wanted = FIRST_ROWS

    def learn(self, rows: int, size: int) -> None:
        """Adapt to a batch of this many rows and bytes."""
        self.wanted = max(1, min(BATCH_ROWS, BATCH_BYTES * rows // (size + 1)))
