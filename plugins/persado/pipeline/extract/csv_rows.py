"""
Write the rows of a DB-API driver as delimited text with Python's CSV writer.

It writes most values like :mod:`persado.pipeline.format.delimited`, several times as fast as through Arrow arrays. A
batch with a value that it would write differently goes through Arrow.
"""

from __future__ import annotations

import csv
import io
import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Any

import pyarrow as pa

from persado.pipeline.extract.dbapi import Sizes, executed
from persado.pipeline.extract.query_errors import translating
from persado.pipeline.extract.text_writer import Honoured, Text, any_value, one_of
from persado.pipeline.format.columns import column
from persado.pipeline.format.delimited import block, header, lines
from persado.pipeline.format.requote import Fields, Requoter, is_findable
from persado.pipeline.format.split import Block
from persado.pipeline.rows.projection import source_positions
from persado.pipeline.rows.row_spec import RowSpec
from persado.pipeline.rows.rows import refuse_twice
from persado.settings.models.effective import Settings

HONOURED: Honoured = {
    "line_ending": one_of("LF", "CRLF"),
    "file_format": one_of("csv", "tsv", "psv", "custom"),
    "delimiter": is_findable,
    "escape_character": is_findable,
    "allow_unescaped": any_value,  # only used in quote mode none
    "header": any_value,
    "nan_text": any_value,
}

_CACHED_ROWS = 1_000  # fit into the processor's cache together with their text

# The types that csv.writer writes like text().
_PLAIN = {str, int, float, type(None)}

Row = Sequence[Any]
Chooser = Callable[[Sequence[Row]], Sequence[Row]]


@contextmanager
def rows_text(connection: Any, sql: str, row_spec: RowSpec, settings: Settings) -> Iterator[Text | None]:
    """
    Run a query and write its rows.

    :param connection: an open DB-API connection
    :param sql: one statement that returns rows
    :param row_spec: the row rules of the data template
    :param settings: how to write the rows; must satisfy :data:`HONOURED`
    :return: None if the row rules do more than select columns
    """
    if row_spec.transform or row_spec.contract or any(c.constant for c in row_spec.columns or ()):
        yield None
        return
    with executed(connection, sql) as (cursor, columns):
        refuse_twice(columns)
        headers = columns if row_spec.columns is None else tuple(c.name for c in row_spec.columns)
        yield headers, _blocks(cursor, headers, _chooser(columns, row_spec), settings)


def _blocks(cursor: Any, headers: Sequence[str], choose: Chooser, settings: Settings) -> Iterator[Block]:
    write, sizes = _Writer(settings), Sizes()
    first_row = 1
    yield 1, 0, header(headers, settings)
    while fetched := translating(partial(cursor.fetchmany, sizes.wanted), "run"):
        size = 0
        for begin in range(0, len(fetched), _CACHED_ROWS):
            rows = choose(fetched[begin : begin + _CACHED_ROWS])
            text = write(rows)
            if text is None:
                text = block(lines(_arrow(rows, headers, first_row, settings), settings, first_row=first_row))
            yield 1, len(rows), text
            size += len(text)
            first_row += len(rows)
        sizes.learn(len(fetched), size)


class _Writer:
    """Writes a batch; returns None if csv.writer might write a value differently."""

    def __init__(self, settings: Settings) -> None:
        self._delimiter = settings.field_delimiter
        self._requoter = Requoter(settings)
        # csv.writer writes nothing for an empty string, like for NULL. This placeholder tells them apart.
        self._empty = secrets.token_hex(16)
        self._has_empty = False

    def __call__(self, rows: Sequence[Row]) -> bytes | None:
        if len(rows[0]) < 2:  # csv.writer quotes a NULL that is alone on its line
            return None
        types = list(map(type, chain.from_iterable(rows)))
        kinds = set(types)
        if not kinds <= _PLAIN or (float in kinds and not _all_finite(rows)):
            return None
        nulls = types.count(type(None)) if type(None) in kinds else 0
        try:
            found = self._found(rows, nulls)
        except UnicodeEncodeError:
            return None  # a lone surrogate: Arrow's path reports its row
        return None if b"\r" in found.text else self._requoter.requote(found, len(rows))

    def _found(self, rows: Sequence[Row], nulls: int) -> Fields:
        if not self._has_empty:
            found = self._requoter.fields(self._written(rows))
            if len(found.outside(found.empty())) == nulls:
                return found
            self._has_empty = True
        text = self._written([[self._empty if v == "" else v for v in row] for row in rows])
        return self._requoter.fields(text.replace(self._empty.encode(), b'""'))

    def _written(self, rows: Sequence[Row]) -> bytes:
        target = io.StringIO(newline="")
        csv.writer(target, delimiter=self._delimiter, lineterminator="\n").writerows(rows)
        return target.getvalue().encode()


def _all_finite(rows: Sequence[Row]) -> bool:
    return all(math.isfinite(value) for value in chain.from_iterable(rows) if type(value) is float)


def _chooser(columns: Sequence[str], row_spec: RowSpec) -> Chooser:
    if row_spec.columns is None:
        return lambda rows: rows
    positions = [position or 0 for position in source_positions(columns, row_spec.columns)]
    if len(positions) == 1:
        return lambda rows: [(row[positions[0]],) for row in rows]
    pick = itemgetter(*positions)
    return lambda rows: list(map(pick, rows))


def _arrow(rows: Sequence[Row], headers: Sequence[str], first_row: int, settings: Settings) -> pa.RecordBatch:
    arrays = [
        column(values, name=name, first_row=first_row, nan_text=settings.nan_text)
        for name, values in zip(headers, zip(*rows, strict=True), strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(headers))
