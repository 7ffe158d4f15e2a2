"""Read any DB-API connection, by ``fetchmany``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import pyarrow as pa

from persado.errors import ConfigurationError
from persado.pipeline.columns import column
from persado.pipeline.query_errors import Phase, translating
from persado.pipeline.rows import BATCH_ROWS, ONE_SELECT, Result

FIRST_ROWS = 1_000
BATCH_BYTES = 1 << 25
"""How large a batch may become; the rows before tell how many rows that is."""

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
    with closing(translating(connection.cursor, "prepare")) as cursor:
        yield _run(cursor, sql, nan_text, "prepare")


@contextmanager
def read_sqlite(connection: Any, sql: str, nan_text: str | None) -> Iterator[Result]:
    """Run a query in SQLite, like :func:`read`; it cannot change anything."""
    with closing(translating(connection.cursor, "prepare")) as cursor:
        cursor.row_factory = None
        translating(lambda: cursor.execute("PRAGMA query_only = ON"), "prepare")
        # SQLite begins to run a query while it prepares it; prepared alone, it speaks of nothing but the query.
        translating(lambda: cursor.execute(f"EXPLAIN {sql}"), "prepare")
        yield _run(cursor, sql, nan_text, "run")


def _run(cursor: Any, sql: str, nan_text: str | None, phase: Phase) -> Result:
    translating(lambda: cursor.execute(sql), phase)
    if cursor.description is None:
        raise ConfigurationError(ONE_SELECT)
    columns = tuple(entry[0] for entry in cursor.description)

    def make(position: int, values: Sequence[Any], first_row: int, previous: pa.DataType | None) -> pa.Array:
        return column(values, name=columns[position], first_row=first_row, nan_text=nan_text, previous=previous)

    return columns, fetch(cursor, columns, make)


def fetch(cursor: Any, columns: Sequence[str], make: MakeColumn) -> Iterator[pa.RecordBatch]:
    """
    Fetch the rows of an executed query.

    :param cursor: the cursor
    :param columns: the names of the columns
    :param make: holds one batch of a column
    """
    types: list[pa.DataType | None] = [None] * len(columns)
    first_row, wanted = 1, FIRST_ROWS
    while rows := translating(partial(cursor.fetchmany, wanted), "run"):
        arrays = [
            make(position, values, first_row, previous)
            for position, (values, previous) in enumerate(zip(zip(*rows, strict=True), types, strict=True))
        ]
        types = [array.type for array in arrays]
        first_row += len(rows)
        batch = pa.RecordBatch.from_arrays(arrays, names=list(columns))
        wanted = max(1, min(BATCH_ROWS, BATCH_BYTES * len(rows) // (batch.nbytes + 1)))
        yield batch
