"""
The engines: how each driver is read. To add an engine, add a module and a row in :data:`ENGINES`.

Every engine yields Arrow record batches in bounded memory. Some also write the finished text themselves, without a
Python object or an Arrow array for each value. That text equals the text formatted from the record batches, byte for
byte. The receipt records which way was taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from persado.pipeline.extract import arrow, csv_rows, dbapi, duckdb_arrow, postgres_copy, postgres_cursor
from persado.pipeline.extract.text_writer import TextWriter
from persado.pipeline.format.split import Block, parts
from persado.pipeline.rows.row_spec import RowSpec, apply_row_spec
from persado.pipeline.rows.rows import Result, Rows, refuse_twice
from persado.settings.models.effective import Settings


@dataclass(frozen=True, kw_only=True)
class Engine:
    """
    A kind of driver, and how to read it.

    :param recognises: returns whether an open connection belongs to this engine
    :param read: runs a query and returns its rows; takes the connection, the query and the text for NaN
    :param read_by: the name of this engine in the receipt
    :param text: writes finished text; None if the engine cannot
    """

    recognises: Callable[[Any], bool]
    read: Callable[[Any, str, str | None], AbstractContextManager[Result]]
    read_by: str
    text: TextWriter | None = None


def _driver(*names: str) -> Callable[[Any], bool]:
    return lambda connection: dbapi.driver_of(connection) in names


# The first engine that recognises a connection reads it. The modules must not import a driver at module level, because
# only the drivers in use have to be installed.
ENGINES: tuple[Engine, ...] = (
    Engine(
        recognises=_driver("psycopg"),
        read=postgres_cursor.read,
        read_by="postgres-cursor",
        text=TextWriter(write=postgres_copy.copy_text, read_by="postgres-copy", honoured=postgres_copy.HONOURED),
    ),
    Engine(recognises=_driver("duckdb", "_duckdb"), read=duckdb_arrow.read, read_by="duckdb-arrow"),
    Engine(recognises=arrow.returns_arrow, read=arrow.read, read_by="arrow"),
    Engine(
        recognises=lambda _: True,
        read=dbapi.read,
        read_by="dbapi",
        text=TextWriter(write=csv_rows.rows_text, read_by="dbapi", honoured=csv_rows.HONOURED),
    ),
)


def engine_of(connection: Any) -> Engine:
    """Return the engine that reads an open DB-API connection."""
    return next(engine for engine in ENGINES if engine.recognises(connection))


@contextmanager
def extract(connection: Any, sql: str, *, nan_text: str | None = None) -> Iterator[Rows]:
    """
    Run a query and yield its rows.

    :param connection: an open DB-API connection
    :param sql: one statement that returns rows
    :param nan_text: the text for NaN and infinities in a column that is read as text; None refuses them
    :raises ConfigurationError: if the database rejects the query, or its result has no columns or duplicate names
    :raises TransientError: if the database is unreachable or busy
    """
    engine = engine_of(connection)
    with engine.read(connection, sql, nan_text) as (columns, batches):
        refuse_twice(columns)
        yield Rows(columns, batches, engine.read_by)


@dataclass(frozen=True)
class FormattedText:
    """
    A query's result as text.

    :param headers: the names of the columns that are sent
    :param blocks: in order, (part number from 1, rows in the block, text). A part starts with its header as a block
        of 0 rows, so an empty result still has one part. Can be read once, while the connection is open
    :param read_by: how the rows were read, for the receipt
    """

    headers: tuple[str, ...]
    blocks: Iterator[Block]
    read_by: str


@contextmanager
def formatted_text(connection: Any, sql: str, row_spec: RowSpec, settings: Settings) -> Iterator[FormattedText]:
    """
    Run a query and yield its rows as text, for a streamed delivery.

    :param connection: an open DB-API connection
    :param sql: one statement that returns rows
    :param row_spec: the row rules of the data template
    :param settings: how to write the rows
    :raises ConfigurationError: if the database rejects the query, a column is missing, or a value has no text form
    :raises RejectedError: after the last row, if rows break the contract
    :raises TransientError: if the database is unreachable or busy
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
    Run a query and let the engine write the text itself, without Arrow.

    The parameters are those of :func:`formatted_text`.

    :return: None if the engine cannot write exactly that text; no row has been read then
    """
    writer = engine_of(connection).text
    if writer is None or not writer.honours(settings):
        yield None
        return
    with writer.write(connection, sql, row_spec, settings) as text:
        yield FormattedText(*text, writer.read_by) if text else None
