"""A preview of a delivery: the names of its files, its columns and its first rows, with personal data masked."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from persado.errors import ConfigurationError, PersadoError, RejectedError
from persado.pipeline.extract.engines import extract
from persado.pipeline.format.arrow_kernels import INTERVAL
from persado.pipeline.format.columns import MIXED
from persado.pipeline.format.delimited import block, header, lines
from persado.pipeline.names import Names
from persado.pipeline.rows.contract import ContractCheck
from persado.pipeline.rows.row_spec import RowSpec, apply_row_spec
from persado.pipeline.rows.rows import Rows
from persado.settings.models.columns import Column

ROWS = 10
"""The default number of rows that a preview shows."""

MASK = "***"
"""Replaces every value of a column marked as personal data, including NULL, so that not even a length is shown."""


@dataclass(frozen=True, kw_only=True)
class PreviewColumn:
    """
    A column of the file.

    :param name: its header
    :param origin: where it comes from: ``from birthdate``, ``constant US``; empty if the query's name is the same
    :param type: the type of its values in the rows that were read
    :param pii: whether it is marked as personal data
    """

    name: str
    origin: str
    type: str
    pii: bool


@dataclass(frozen=True, kw_only=True)
class Preview:
    """
    A preview of a delivery. It contains no values of columns that are marked as personal data.

    :param files: the names of the files, relative to the remote folder; for a split output, those of the first parts
    :param members: the first names inside the single archive of a split output
    :param done: the name of the success file; None if none is written
    :param columns: the columns of the file
    :param text: the header and the first rows as they would be written
    :param rows: the number of rows shown
    :param total: the number of rows that the query returns; None if they were not counted
    :param warnings: problems that would not stop the delivery
    :param problems: problems that would stop it
    """

    files: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    done: str | None = None
    columns: tuple[PreviewColumn, ...] = ()
    text: str = ""
    rows: int = 0
    total: int | None = None
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def preview(
    connection: Any, sql: str, names: Names, row_spec: RowSpec, *, rows: int = ROWS, count: bool = False
) -> Preview:
    """
    Run the query and read its first rows; at most one batch is fetched.

    Errors of the settings, the transform and the contract become problems of the preview; errors of the database are
    raised.

    :param connection: an open DB-API connection
    :param sql: one statement that returns rows
    :param rows: the number of rows to show
    :param count: whether to count all rows
    :raises ConfigurationError: for a query that the database refuses
    :raises TransientError: if the database is unreachable or busy
    """
    problems: list[str] = []
    found = Preview()
    with collecting_problems(problems):
        found = _files(names)
    with extract(connection, sql, nan_text=names.settings.nan_text) as result:
        # Read one more row than is shown, to find out whether there are more.
        fetched = list(_first(result.batches, rows + 1))
        columns = result.columns
    read = sum(batch.num_rows for batch in fetched)
    total = read if read <= rows else _count(connection, sql) if count else None
    headers, batches = _selected(Rows(columns, _first(iter(fetched), rows), ""), row_spec, problems)
    return replace(
        found,
        columns=tuple(_columns(headers, batches, row_spec)),
        text=_text(headers, batches, names, row_spec, problems),
        rows=sum(batch.num_rows for batch in batches),
        total=total,
        problems=tuple(problems),
    )


@contextmanager
def collecting_problems(problems: list[str]) -> Iterator[None]:
    """Append an error that would stop the delivery to the list, instead of raising it."""
    try:
        yield
    except (ConfigurationError, RejectedError) as error:
        problems.append(str(error))


def _files(names: Names) -> Preview:
    names.check()
    settings = names.settings
    done = names.done() if settings.success_file else None
    if settings.split is None:
        return Preview(files=(names.sent(names.formatted(1)),), done=done)
    parts = [names.formatted(number) for number in (1, 2)]
    if names.one_archive:
        members = tuple(names.member(part) for part in parts)
        return Preview(files=(names.sent(names.archive()),), members=members, done=done)
    return Preview(files=tuple(names.sent(part) for part in parts), done=done)


def _first(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the first rows only."""
    left = rows
    while left > 0 and (batch := next(batches, None)) is not None:
        yield batch.slice(0, left)
        left -= batch.num_rows


def _selected(rows: Rows, row_spec: RowSpec, problems: list[str]) -> tuple[tuple[str, ...], Sequence[pa.RecordBatch]]:
    """Return the headers and the rows as they would be sent, including rows that break the contract."""
    headers: tuple[str, ...] = ()
    found: list[pa.RecordBatch] = []
    with collecting_problems(problems):
        headers, batches = apply_row_spec(rows, replace(row_spec, contract=None))
        found.extend(batches)
    if headers and row_spec.contract:
        with collecting_problems(problems):
            check = ContractCheck(row_spec.contract, headers)
            for batch in found:
                check.check(batch)
            check.finish()
    return headers, found


def _columns(headers: Sequence[str], batches: Sequence[pa.RecordBatch], row_spec: RowSpec) -> Iterator[PreviewColumn]:
    wanted: Sequence[Column] = row_spec.columns or [Column(name=name) for name in headers]
    for position, column in enumerate(wanted):
        types = dict.fromkeys(_type(batch.column(position).type) for batch in batches) if headers else {}
        yield PreviewColumn(name=column.name, origin=column.origin, type=" or ".join(types), pii=column.pii)


def _type(type_: pa.DataType) -> str:
    return {MIXED: "mixed", INTERVAL: "interval"}.get(type_) or str(type_)


def _text(
    headers: Sequence[str],
    batches: Sequence[pa.RecordBatch],
    names: Names,
    row_spec: RowSpec,
    problems: list[str],
) -> str:
    if not headers:
        return ""
    settings = names.settings
    masked = [position for position, column in enumerate(row_spec.columns or ()) if column.pii]
    text = b""
    starts = itertools.accumulate((batch.num_rows for batch in batches), initial=1)
    with collecting_problems(problems):
        text = header(headers, settings)
        for batch, first_row in zip(batches, starts, strict=False):
            lines(batch, settings, first_row=first_row)  # raises for values without text in masked columns too
            text += block(lines(_masked(batch, masked), settings, first_row=first_row))
    return text.decode()


def _masked(batch: pa.RecordBatch, positions: Sequence[int]) -> pa.RecordBatch:
    mask = pa.repeat(MASK, batch.num_rows)
    arrays = [mask if position in positions else array for position, array in enumerate(batch.columns)]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _count(connection: Any, sql: str) -> int:
    """Count in the database, or by reading all rows if the query cannot be used as a subquery."""
    counting = f"SELECT count(*) AS persado_rows FROM (\n{sql.strip().rstrip(';')}\n) persado_query"  # noqa: S608 - the user's query
    with suppress(PersadoError), extract(connection, counting) as result:
        return int(next(result.batches).column(0)[0].as_py())
    with suppress(Exception):  # the failed query may have left an aborted transaction
        connection.rollback()
    with extract(connection, sql, nan_text="NaN") as result:
        return sum(batch.num_rows for batch in result.batches)
