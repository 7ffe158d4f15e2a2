"""What is read from a database: the names of the columns, and the rows as Arrow record batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import pyarrow as pa

from persado.errors import ConfigurationError

BATCH_ROWS = 10_000
BATCH_BYTES = 1 << 25
"""How large a batch may become, whatever its rows."""

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


def list_names(names: Collection[str], showable: Collection[str]) -> str:
    """
    List the names of columns for an error.

    :param names: all of them
    :param showable: those that may be shown
    """
    shown = [name for name in names if name in showable]
    others = len(names) - len(shown)
    return ", ".join(shown + ([f"{others} that the query does not have"] if others else [])) or "none"


@dataclass(frozen=True)
class Rows:
    """
    A query's result.

    :param columns: the names of the columns, in the query's order
    :param batches: the rows; to be read once, while the connection is open
    :param path: how they are read, for the receipt
    :param producer: what has made them, for errors
    :param showable: the names that errors may show; a function may have made others of values, as a pivot does
    """

    columns: tuple[str, ...]
    batches: Iterator[pa.RecordBatch]
    path: str
    producer: str = "query"
    showable: tuple[str, ...] | None = None

    def shown_columns(self) -> str:
        """List the columns for an error."""
        return list_names(self.columns, self.columns if self.showable is None else self.showable)
