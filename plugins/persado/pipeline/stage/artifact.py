"""The output of a stage: the record of a file, and the sink that measures the file while it is written."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from typing_extensions import Buffer  # in collections.abc from Python 3.12 on


class Artifact(BaseModel):
    """
    A file in the stage area. Tasks exchange this record through XCom, never the data.

    :param uri: the location of the file
    :param name: its name at the site, relative to the remote folder, as far as it is known
    :param rows: the number of rows, without the header
    :param bytes: its size
    :param sha256: its SHA-256, lower-case hex
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    name: str
    rows: int
    bytes: int
    sha256: str


class Sink(Protocol):
    """An object that a stage writes to."""

    def write(self, data: Buffer, /) -> int | None:
        """Write the bytes. Return how many were written; None means all."""


class MeasuredSink(io.RawIOBase):
    """Count and hash the bytes on their way to a sink, so that no file is read twice. The sink is left open."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink
        self._sha256 = hashlib.sha256()
        self.bytes = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Write all of the bytes."""
        view = memoryview(data).cast("B")
        self._sink.write(view)
        self._sha256.update(view)
        self.bytes += len(view)
        return len(view)

    @property
    def sha256(self) -> str:
        """The SHA-256 of all bytes so far, lower-case hex."""
        return self._sha256.hexdigest()
