"""What is read from a database: the names of the columns, and the rows as Arrow record batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

BATCH_ROWS = 10_000

ONE_SELECT = "the query gives no rows and no columns, or is more than one statement; expected one SELECT statement"

Result = tuple[tuple[str, ...], Iterator[pa.RecordBatch]]
"""The names of the columns, in the query's order, and the rows, to be read once."""


@dataclass(frozen=True)
class Rows:
    """
    A query's result.

    :param columns: the names of the columns, in the query's order
    :param batches: the rows; to be read once, while the connection is open
    :param path: how they are read, for the receipt
    """

    columns: tuple[str, ...]
    batches: Iterator[pa.RecordBatch]
    path: str
