"""What is read from a database: the names of the columns, and the rows as Arrow record batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from persado.errors import ConfigurationError

BATCH_ROWS = 10_000

ONE_SELECT = "the query gives no rows and no columns, or is more than one statement; expected one SELECT statement"

Result = tuple[tuple[str, ...], Iterator[pa.RecordBatch]]
"""The names of the columns, in the query's order, and the rows, to be read once."""


def refuse_twice(columns: tuple[str, ...]) -> None:
    """
    Refuse columns of one name.

    :raises ConfigurationError: if there are any
    """
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise ConfigurationError(f"the query gives several columns named {', '.join(twice)}; rename them with AS")


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
