"""Run the tabular part of the pipeline: from a query to the text of its rows, and to a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from persado.pipeline.extract.engines import extract
from persado.pipeline.format.columns import cells
from persado.pipeline.format.split import parts
from persado.settings.models.effective import Settings


def settings(**given: Any) -> Settings:
    """Return effective settings, with a name for the file."""
    return Settings.model_validate({"filename_template": "table.csv", "allow_unescaped": True, **given})


def rows_of(connection: Any, sql: str, nan_text: str | None = None) -> list[tuple[str | None, ...]]:
    """Run a query and return the text of each value, row by row."""
    return [row for rows in _texts_by_batch(connection, sql, nan_text) for row in rows]


def cell_of(connection: Any, expression: str, nan_text: str | None = None) -> str | None:
    """Return the text of one SQL expression."""
    ((found,),) = rows_of(connection, f"SELECT {expression} AS x", nan_text)
    return found


def file_of(connection: Any, sql: str, **given: Any) -> bytes:
    """Run a query and return the file."""
    wanted = settings(**given)
    with extract(connection, sql, nan_text=wanted.nan_text) as rows:
        return b"".join(text for _, _, text in parts(rows.batches, rows.columns, wanted))


def table(*columns: Any, **named: Any) -> pa.RecordBatch:
    """Return a batch of lists or arrays; unnamed columns are named a, b, c…"""
    named = {chr(ord("a") + position): column for position, column in enumerate(columns)} | named
    return pa.RecordBatch.from_pydict(named)


def file_of_batch(batch: pa.RecordBatch, **given: Any) -> bytes:
    """Return one batch as a file."""
    return b"".join(text for _, _, text in parts([batch], batch.schema.names, settings(**given)))


def _texts_by_batch(connection: Any, sql: str, nan_text: str | None) -> Iterator[list[tuple[str | None, ...]]]:
    first_row = 1
    with extract(connection, sql, nan_text=nan_text) as rows:
        for batch in rows.batches:
            columns = [
                cells(column, name=name, first_row=first_row, nan_text=nan_text).text.to_pylist()
                for name, column in zip(rows.columns, batch.columns, strict=True)
            ]
            first_row += batch.num_rows
            yield list(zip(*columns, strict=True))
