"""The result of a query: the names of the columns, and the rows as Arrow record batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import pyarrow as pa

from persado.errors import ConfigurationError

BATCH_ROWS = 10_000
BATCH_BYTES = 1 << 25
"""The size limit of a batch, whatever its number of rows."""

ONE_SELECT = "the query returns no rows and no columns, or is more than one statement; expected one SELECT statement"

Result = tuple[tuple[str, ...], Iterator[pa.RecordBatch]]
"""The names of the columns, in the query's order, and the rows, which can be read once."""


def refuse_twice(columns: tuple[str, ...]) -> None:
    """
    Refuse duplicate column names.

    :raises ConfigurationError: if there are any
    """
    if duplicates := sorted({name for name in columns if columns.count(name) > 1}):
        raise ConfigurationError(
            f"the query returns several columns named {', '.join(duplicates)}; rename them with AS"
        )


def list_names(names: Collection[str], showable: Collection[str]) -> str:
    """
    Format column names for an error.

    :param showable: the names that may be shown; the others are only counted
    """
    shown = [name for name in names if name in showable]
    others = len(names) - len(shown)
    return ", ".join(shown + ([f"{others} that the query does not have"] if others else [])) or "none"


@dataclass(frozen=True)
class Rows:
    """
    A query's result.

    :param columns: the names of the columns, in the query's order
    :param batches: the rows, which can be read once, while the connection is open
    :param path: how they are read, for the receipt
    :param producer: where they come from, for errors
    :param showable: the names that errors may show; a function may derive other names from values, as a pivot does
    """

    columns: tuple[str, ...]
    batches: Iterator[pa.RecordBatch]
    path: str
    producer: str = "query"
    showable: tuple[str, ...] | None = None

    def shown_columns(self) -> str:
        """Format the columns for an error."""
        return list_names(self.columns, self.columns if self.showable is None else self.showable)
