"""Read drivers that return Arrow: ADBC, and others whose cursors have ``fetch_record_batch``."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa

from persado.errors import ConfigurationError
from persado.pipeline.extract.query_errors import translating
from persado.pipeline.rows.rows import BATCH_ROWS, ONE_SELECT, Result

# ADBC's driver does not return other PostgreSQL types exactly: money loses its decimal point, oid its range, an array
# its dimensions.
_EXACT_IN_POSTGRESQL = {
    *("bool", "int2", "int4", "int8", "float4", "float8", "numeric", "bytea", "uuid", "json", "jsonb"),
    *("text", "varchar", "bpchar", "char", "name", "date", "time", "timestamp", "timestamptz", "interval"),
}


def returns_arrow(connection: Any) -> bool:
    """Return whether the driver of an open DB-API connection returns results as Arrow record batches."""
    with closing(translating(connection.cursor, "prepare")) as cursor:
        return hasattr(cursor, "fetch_record_batch")


@contextmanager
def read(connection: Any, sql: str, _nan_text: str | None) -> Iterator[Result]:
    """
    Run a query.

    :param connection: an open DB-API connection for which :func:`returns_arrow` is true
    :param sql: one statement that returns rows
    """
    # Some drivers put the query in parentheses. The line end keeps a trailing comment from hiding the closing one.
    query = f"{sql.rstrip().rstrip(';')}\n"
    with closing(translating(connection.cursor, "prepare")) as cursor:
        translating(lambda: cursor.execute(query), "prepare")
        if not cursor.description:
            raise ConfigurationError(ONE_SELECT)
        with translating(cursor.fetch_record_batch, "run") as reader:
            for field in reader.schema:
                _refuse_inexact(field)
            names = tuple(reader.schema.names)
            with closing(_batches(reader, names)) as batches:
                yield names, batches


def _refuse_inexact(field: pa.Field) -> None:
    type_ = (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
    if type_ and type_ not in _EXACT_IN_POSTGRESQL:
        raise ConfigurationError(
            f"column {field.name!r}: PostgreSQL's type {type_} has no exact counterpart in Arrow; cast the column to "
            "text in the query"
        )


def _batches(reader: pa.RecordBatchReader, names: Sequence[str]) -> Generator[pa.RecordBatch]:
    # Compare with None: a batch without rows is falsy, and more may follow.
    while (batch := translating(lambda: next(reader, None), "run")) is not None:
        batch = batch.rename_columns(list(names))
        for start in range(0, batch.num_rows, BATCH_ROWS):  # some drivers return all rows at once
            yield batch.slice(start, BATCH_ROWS)
