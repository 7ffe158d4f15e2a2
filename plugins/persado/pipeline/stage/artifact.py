"""What a stage leaves behind: a file's record, and the sink that measures it while it is written."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from typing_extensions import Buffer  # in collections.abc from Python 3.12 on


class Artifact(BaseModel):
    """
    A file in the stage area. The record travels between tasks; the data never does.

    :param uri: where the file is
    :param name: the name of the file at the site, relative to the remote folder, as far as it is known
    :param rows: the rows in it, header not counted
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
    """What a stage writes into."""

    def write(self, data: Buffer, /) -> int | None:
        """Take the bytes, or as many of them as the number given back says."""


class MeasuredSink(io.RawIOBase):
    """
    Pass bytes on, counting and hashing them on the way, so that nothing is read twice.

    :param sink: where the bytes go; left open
    """

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink
        self._sha256 = hashlib.sha256()
        self.bytes = 0

    def writable(self) -> bool:
        """Return that it is."""
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
