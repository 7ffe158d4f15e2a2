"""
A query's result as delimited text: the source that a streamed delivery reads.

It is what extract, select and format give one after the other, byte for byte. Where the database can format the text
itself, no Python object and no Arrow array is made of a value; the path taken is in the receipt.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from persado.pipeline.extract.arrow import returns_arrow
from persado.pipeline.extract.csv_rows import READ_BY, is_writable, rows_text
from persado.pipeline.extract.read import extract
from persado.pipeline.format.split import Block, parts
from persado.pipeline.rows.row_spec import RowSpec, apply_row_spec
from persado.settings.models.effective import Settings


@dataclass(frozen=True)
class FormattedText:
    """
    A query's result as text.

    :param headers: the names of the columns that are sent
    :param blocks: in order, (number of the part from 1, rows in the block, text); a part begins with its header as a
        block without rows, so that an empty result still has one part. To be read once, while the connection is open
    :param read_by: how the rows were read, for the receipt
    """

    headers: tuple[str, ...]
    blocks: Iterator[Block]
    read_by: str


@contextmanager
def formatted_text(connection: Any, sql: str, row_spec: RowSpec, settings: Settings) -> Iterator[FormattedText]:
    """
    Run a query and give its rows as text.

    :param connection: an open DB-API connection
    :param sql: one statement that gives rows
    :param row_spec: what the data template says about rows
    :param settings: how they are written
    :raises ConfigurationError: for a query that the database refuses, a column that is not there, or a value that has
        no text
    :raises RejectedError: once all rows are read, if they break the contract
    :raises TransientError: where the database was out of reach or busy
    """
    with formatted_directly(connection, sql, row_spec, settings) as text:
        if text is not None:
            yield text
            return
    with extract(connection, sql, nan_text=settings.nan_text) as rows:
        headers, batches = apply_row_spec(rows, row_spec)
        yield FormattedText(headers, parts(batches, headers, settings), rows.path)


@contextmanager
def formatted_directly(
    connection: Any, sql: str, row_spec: RowSpec, settings: Settings
) -> Iterator[FormattedText | None]:
    """
    Run a query and let the database, or the driver's rows as they are, become text without Arrow in between.

    It takes what :func:`formatted_text` takes.

    :return: None where that cannot give exactly the text; nothing was read then
    """
    driver = type(connection).__module__.partition(".")[0]
    if driver == "psycopg":
        from persado.pipeline.extract import postgres_copy

        with postgres_copy.copied(connection, sql, row_spec, settings) as copied:
            yield FormattedText(*copied, postgres_copy.READ_BY) if copied else None
    elif "duckdb" not in driver and is_writable(row_spec, settings) and not returns_arrow(connection):
        with rows_text(connection, sql, row_spec, settings) as text:
            yield FormattedText(*text, READ_BY)
    else:
        yield None
