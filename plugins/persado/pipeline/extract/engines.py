"""
The engines: which driver is read in which way. Another engine is another module and another row in :data:`ENGINES`.

Every engine gives rows as Arrow record batches, in flat memory. Some also write finished text themselves, so that
neither a Python object nor an Arrow array is made of a value. That text is what extract, select and format give one
after the other, byte for byte; the way taken is in the receipt.
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
    A kind of driver, and how it is read.

    :param recognises: whether an open connection is of this kind
    :param read: runs a query and gives its rows; takes the connection, the query and the text of NaN
    :param read_by: the name of this way in the receipt
    :param text: how it writes finished text itself; None if it cannot
    """

    recognises: Callable[[Any], bool]
    read: Callable[[Any, str, str | None], AbstractContextManager[Result]]
    read_by: str
    text: TextWriter | None = None


def _driver(*names: str) -> Callable[[Any], bool]:
    return lambda connection: dbapi.driver_of(connection) in names


# The first that recognises a connection reads it. None of the modules may import a driver at its top: only those that
# are used have to be installed.
ENGINES: tuple[Engine, ...] = (
    Engine(
        recognises=_driver("psycopg"),
        read=postgres_cursor.read,
        read_by="postgres-cursor",
        text=TextWriter(write=postgres_copy.copied, read_by="postgres-copy", honoured=postgres_copy.HONOURED),
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
    """
    Return the engine that reads a connection.

    :param connection: an open DB-API connection
    """
    return next(engine for engine in ENGINES if engine.recognises(connection))


@contextmanager
def extract(connection: Any, sql: str, *, nan_text: str | None = None) -> Iterator[Rows]:
    """
    Run a query and give its rows.

    :param connection: an open DB-API connection
    :param sql: one statement that gives rows
    :param nan_text: the text of NaN and the infinities, where a column has to become text at once; None refuses them
    :raises ConfigurationError: for a query that the database refuses, that gives no columns, or two of one name
    :raises TransientError: where the database was out of reach or busy
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
    Run a query and give its rows as text: the source that a streamed delivery reads.

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
    Run a query and have the engine write the text itself, without Arrow in between.

    It takes what :func:`formatted_text` takes.

    :return: None where the engine cannot write exactly that text; nothing was read then
    """
    writer = engine_of(connection).text
    if writer is None or not writer.honours(settings):
        yield None
        return
    with writer.write(connection, sql, row_spec, settings) as text:
        yield FormattedText(*text, writer.read_by) if text else None
