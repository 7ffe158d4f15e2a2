"""Read PostgreSQL through a server-side cursor; a client-side cursor would hold the whole result in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from persado.errors import ConfigurationError
from persado.pipeline.extract.dbapi import MakeColumn, fetch
from persado.pipeline.extract.query_errors import translating
from persado.pipeline.format.columns import MIXED, column, mixed, texts
from persado.pipeline.format.text import text
from persado.pipeline.rows.rows import ONE_SELECT, Result

if TYPE_CHECKING:
    from persado.pipeline.extract.postgres_types import Kind, PostgresTypes

# A role or a database may change how the server formats values. The last setting plans for fetching all rows.
_SESSION = """
SET client_encoding = 'UTF8';
SET datestyle = 'ISO';
SET intervalstyle = 'iso_8601';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
SET cursor_tuple_fraction = 1
"""

_TYPES = {
    **dict.fromkeys(("int2", "int4", "int8"), pa.int64()),
    **dict.fromkeys(("float4", "float8"), pa.float64()),
    **dict.fromkeys(("text", "varchar", "bpchar", "name"), pa.string()),
    "bool": pa.bool_(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
}


@contextmanager
def read(connection: Any, sql: str, nan_text: str | None) -> Iterator[Result]:
    """
    Run a query.

    :param connection: an open psycopg connection
    :param sql: one statement that returns rows
    :param nan_text: the text for NaN and infinities in a column that is read as text; None refuses them
    """
    from persado.pipeline.extract.postgres_types import PostgresTypes

    types = PostgresTypes(connection)
    with prepared(connection):
        with closing(_cursor(connection)) as cursor:
            entries = _described(cursor, sql)
            columns = tuple(entry.name for entry in entries)
            kinds = [_kind(types, entry) for entry in entries]
            known = [_known(connection, entry) for entry in entries]
            if not types.registered:
                yield columns, fetch(cursor, columns, _maker(columns, kinds, nan_text), known)
                return
        # A cursor only uses types that were registered before it was opened.
        with closing(_cursor(connection)) as cursor:
            translating(lambda: cursor.execute(sql), "prepare")
            yield columns, fetch(cursor, columns, _maker(columns, kinds, nan_text), known)


@contextmanager
def prepared(connection: Any) -> Iterator[None]:
    """Open a transaction, which a server-side cursor needs, and fix how the server formats values."""
    with connection.transaction() if connection.autocommit else nullcontext():
        translating(lambda: connection.execute(_SESSION), "prepare")
        yield


def described(connection: Any, sql: str) -> list[tuple[str, int]]:
    """
    Return the names and type oids of a query's columns, without running it.

    :param connection: an open psycopg connection, inside :func:`prepared`
    :param sql: one statement that returns rows
    :raises ConfigurationError: if PostgreSQL rejects the query
    """
    with closing(_cursor(connection)) as cursor:
        return [(entry.name, entry.type_code) for entry in _described(cursor, sql)]


def _described(cursor: Any, sql: str) -> list[Any]:
    translating(lambda: cursor.execute(sql), "prepare")
    if cursor.description is None:  # PostgreSQL accepts a SELECT without columns
        raise ConfigurationError(ONE_SELECT)
    return list(cursor.description)


def _cursor(connection: Any) -> Any:
    from psycopg.rows import tuple_row

    return connection.cursor(name="persado_delivery", row_factory=tuple_row, scrollable=False)


def _kind(types: PostgresTypes, entry: Any) -> Kind | None:
    try:
        return translating(lambda: types.kind(entry.type_code), "prepare")
    except ConfigurationError as error:
        raise ConfigurationError(f"column {entry.name!r}: {error}") from None


def _known(connection: Any, entry: Any) -> pa.DataType | None:
    """Return the Arrow type for a column that may hold only NULL, or no rows."""
    info = connection.adapters.types.get(entry.type_code)
    if info is None or info.oid != entry.type_code:  # a user-defined type, or an array
        return None
    if info.name == "numeric":
        return pa.decimal256(76, max(0, entry.scale or 0))
    return _TYPES.get(info.name)


def _maker(columns: Sequence[str], kinds: Sequence[Kind | None], nan_text: str | None) -> MakeColumn:
    def make(position: int, values: Sequence[Any], first_row: int, previous: pa.DataType | None) -> pa.Array:
        name, kind = columns[position], kinds[position]
        if kind is None or not any(value is not None for value in values):
            return column(values, name=name, first_row=first_row, nan_text=nan_text, previous=previous)
        if kind.convert_column and previous != MIXED:
            with suppress(pa.ArrowInvalid):  # rare values take the slow path, which can report the row
                return kind.convert_column(pa.array(values, pa.string()))

        def rule(value: Any) -> str | None:
            return None if value is None else text(kind.convert(value), nan_text)

        return mixed(texts(values, rule, name=name, first_row=first_row), number=kind.number)

    return make
