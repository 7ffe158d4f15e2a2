"""Cut formatted lines into the parts of a split output, each with the header."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from persado.pipeline.format.delimited import block, header, line_offsets, lines
from persado.settings.models.effective import Settings

MEGABYTE = 1_000_000

Block = tuple[int, int, bytes]
"""The number of the part, counted from 1, the number of rows in the block, and the text of the block."""


def parts(batches: Iterable[pa.RecordBatch], columns: Sequence[str], settings: Settings) -> Iterator[Block]:
    """
    Format rows, part by part; without ``split`` there is one part.

    Each part begins with the header, in a block without rows, so an empty result has one part too.

    :param columns: the headers
    :raises ConfigurationError: for a value that has no text
    """
    head = header(columns, settings)
    part, room = 1, _Room(settings, len(head))
    yield part, 0, head
    first_row = 1
    for batch in batches:
        rest = lines(batch, settings, first_row=first_row)
        first_row += batch.num_rows
        while len(rest):
            fitting = room.fitting(rest)
            if not fitting:
                part, room = part + 1, _Room(settings, len(head))
                yield part, 0, head
                continue
            text = block(rest[:fitting])
            room.take(fitting, len(text))
            yield part, fitting, text
            rest = rest[fitting:]


class _Room:
    """The room left in the current part."""

    def __init__(self, settings: Settings, header_bytes: int) -> None:
        split = settings.split
        self._rows = split.rows if split else None
        self._bytes = split.megabytes * MEGABYTE - header_bytes if split and split.megabytes else None
        self._empty = True

    def fitting(self, lines: pa.LargeStringArray) -> int:
        """Return how many of the next lines fit; a line too long for any part gets a separate part."""
        fitting = len(lines)
        if self._rows is not None:
            fitting = min(fitting, self._rows)
        if self._bytes is not None:
            offsets = line_offsets(lines)
            fitting = bisect_right(offsets, offsets[0] + self._bytes) - 1
        return max(fitting, 1) if self._empty else max(fitting, 0)

    def take(self, rows: int, size: int) -> None:
        """Subtract what was written."""
        self._empty = False
        if self._rows is not None:
            self._rows -= rows
        if self._bytes is not None:
            self._bytes -= size
