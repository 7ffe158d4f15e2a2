"""What a delivery would send: the names of its files, its columns and its first rows, with personal data masked."""

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
"""How many rows a preview shows, if nobody says otherwise."""

MASK = "***"
"""Stands for every value of a column marked as personal data, NULL too: not even a length is told."""


@dataclass(frozen=True, kw_only=True)
class PreviewColumn:
    """
    A column of the file.

    :param name: its header
    :param origin: where it comes from: ``from birthdate``, ``constant US``; nothing if the query's name is the same
    :param type: the type of its values, as far as the rows that were read tell
    :param pii: whether it is marked as personal data
    """

    name: str
    origin: str
    type: str
    pii: bool


@dataclass(frozen=True, kw_only=True)
class Preview:
    """
    What a delivery would send. Only values of columns that are not marked as personal data are in it.

    :param files: the names of the files, relative to the remote folder; of parts the first ones
    :param members: the names inside the one archive of a split output; the first ones
    :param done: the name of the success file; None where none is written
    :param columns: the columns of the file
    :param text: the header and the first rows as they would be written
    :param rows: how many rows are shown
    :param total: how many rows the query gives; None where nobody asked
    :param warnings: what would not stop the delivery but should be seen
    :param problems: what would stop it
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
    Run the query and look at its first rows; no more than a batch of them is fetched.

    What the settings, the transform or the contract would refuse is in the preview; what the database refuses is
    raised.

    :param connection: an open DB-API connection
    :param sql: one statement that gives rows
    :param names: the names of the files
    :param row_spec: what the data template says about rows
    :param rows: how many rows
    :param count: whether to count all of them
    :raises ConfigurationError: for a query that the database refuses
    :raises TransientError: where the database is out of reach or busy
    """
    problems: list[str] = []
    found = Preview()
    with noted(problems):
        found = _files(names)
    with extract(connection, sql, nan_text=names.settings.nan_text) as result:
        # One more row than is shown tells whether there are others.
        fetched = list(_first(result.batches, rows + 1))
        columns = result.columns
    at_hand = sum(batch.num_rows for batch in fetched)
    total = at_hand if at_hand <= rows else _count(connection, sql) if count else None
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
def noted(problems: list[str]) -> Iterator[None]:
    """
    Take an error that would stop the delivery as a finding.

    :param problems: where it goes
    """
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
    """Give no more than the first rows."""
    left = rows
    while left > 0 and (batch := next(batches, None)) is not None:
        yield batch.slice(0, left)
        left -= batch.num_rows


def _selected(rows: Rows, row_spec: RowSpec, problems: list[str]) -> tuple[tuple[str, ...], Sequence[pa.RecordBatch]]:
    """Give the rows as they would be sent, also those that break the contract."""
    headers: tuple[str, ...] = ()
    found: list[pa.RecordBatch] = []
    with noted(problems):
        headers, batches = apply_row_spec(rows, replace(row_spec, contract=None))
        found.extend(batches)
    if headers and row_spec.contract:
        with noted(problems):
            check = ContractCheck(row_spec.contract, headers)
            for batch in found:
                check.look(batch)
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
    with noted(problems):
        text = header(headers, settings)
        for batch, first_row in zip(batches, starts, strict=False):
            lines(batch, settings, first_row=first_row)  # finds a value without text in a masked column, too
            text += block(lines(_masked(batch, masked), settings, first_row=first_row))
    return text.decode()


def _masked(batch: pa.RecordBatch, positions: Sequence[int]) -> pa.RecordBatch:
    mask = pa.repeat(MASK, batch.num_rows)
    arrays = [mask if position in positions else array for position, array in enumerate(batch.columns)]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _count(connection: Any, sql: str) -> int:
    """Let the database count; one that takes no such query in parentheses has its rows read."""
    counting = f"SELECT count(*) AS persado_rows FROM (\n{sql.strip().rstrip(';')}\n) persado_query"  # noqa: S608 - the user's query
    with suppress(PersadoError), extract(connection, counting) as result:
        return int(next(result.batches).column(0)[0].as_py())
    with suppress(Exception):  # what failed may have left a transaction behind that takes nothing more
        connection.rollback()
    with extract(connection, sql, nan_text="NaN") as result:
        return sum(batch.num_rows for batch in result.batches)
