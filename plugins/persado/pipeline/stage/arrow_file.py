"""
Record batches in a file: one or more Arrow IPC streams, one after the other.

A new stream begins when the types change, because a later batch of a DB-API driver may have other types.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa


class ArrowWriter:
    """
    Write batches, each with its own types.

    :param sink: a binary file; left open
    :param columns: the names of the columns, written even if no rows follow
    """

    def __init__(self, sink: Any, columns: Sequence[str]) -> None:
        self._sink = sink
        self._schema = pa.schema([(name, pa.null()) for name in columns])
        self._stream: pa.RecordBatchStreamWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch."""
        if self._stream is None or batch.schema != self._schema:
            self._next_stream(batch.schema)
        self._stream.write_batch(batch)  # type: ignore[union-attr]  # created by the line above

    def close(self) -> None:
        """Complete the file."""
        if self._stream is None:
            self._next_stream(self._schema)
        self._stream.close()  # type: ignore[union-attr]  # created by the line above

    def _next_stream(self, schema: pa.Schema) -> None:
        if self._stream is not None:
            self._stream.close()
        self._schema = schema
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._stream = pa.ipc.new_stream(self._sink, schema, options=options)


def read_batches(source: BinaryIO) -> tuple[tuple[str, ...], Iterator[pa.RecordBatch]]:
    """
    Read a file that :class:`ArrowWriter` wrote.

    :return: the names of the columns, and the batches
    """
    first = pa.ipc.open_stream(source)
    return tuple(first.schema.names), _batches(first, source)


def _batches(stream: pa.RecordBatchStreamReader, source: BinaryIO) -> Iterator[pa.RecordBatch]:
    while True:
        yield from stream
        position = source.tell()
        if not source.read(1):
            return
        source.seek(position)
        stream = pa.ipc.open_stream(source)
