"""Choose which of the query's columns are sent, in which order and under which header."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from persado.errors import ConfigurationError
from persado.settings.models.columns import Column
from persado.settings.text.spelling import did_you_mean


def selector(
    available: Sequence[str], columns: Sequence[Column] | None, *, producer: str = "query", shown: str | None = None
) -> tuple[tuple[str, ...], Callable[[pa.RecordBatch], pa.RecordBatch]]:
    """
    Prepare the choice of columns.

    A column is found by its exact name, or else by the only name that differs in upper and lower case alone, because
    databases fold names differently.

    :param available: the query's columns
    :param columns: the columns of the data template; None selects every column unchanged
    :param producer: the source of the columns, for errors
    :param shown: the list of columns to show in errors, if some of them must not be shown
    :return: the headers, and a function that applies the choice to a batch
    :raises ConfigurationError: for a column that the query does not return
    """
    if columns is None:
        return tuple(available), lambda batch: batch
    positions = source_positions(available, columns, producer=producer, shown=shown)
    headers = tuple(column.name for column in columns)

    def select(batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [
            pa.repeat(pa.scalar(column.value), batch.num_rows) if position is None else batch.column(position)
            for column, position in zip(columns, positions, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, names=list(headers))

    return headers, select


def source_positions(
    available: Sequence[str], columns: Sequence[Column], *, producer: str = "query", shown: str | None = None
) -> list[int | None]:
    """
    Return the position of each wanted column among the query's columns; None for a constant.

    The parameters are those of :func:`selector`.

    :raises ConfigurationError: for a column that the query does not return
    """
    found = []
    for column in columns:
        position = None if column.constant else _find(column, available)
        if position is None and not column.constant:
            guess = did_you_mean(column.source, available if shown is None else shown.split(", "))
            raise ConfigurationError(
                f"the data template wants the column {column.source!r}, which the {producer} does not return. The "
                f"{producer}'s columns: {', '.join(available) if shown is None else shown}.{guess}"
            )
        found.append(position)
    return found


def _find(column: Column, available: Sequence[str]) -> int | None:
    if column.source in available:
        return available.index(column.source)
    folded = [index for index, name in enumerate(available) if name.lower() == column.source.lower()]
    return folded[0] if len(folded) == 1 else None
