"""What a stage leaves behind: a file's record, and the sink that measures it while it is written."""

from __future__ import annotations

import hashlib
from typing import BinaryIO, Protocol

from pydantic import BaseModel, ConfigDict


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

    def write(self, data: bytes, /) -> object:
        """Take all of the bytes."""


class MeasuredSink:
    """
    Pass bytes on, counting and hashing them on the way, so that nothing is read twice.

    :param sink: where the bytes go
    """

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes, /) -> int:
        """Write all of the bytes."""
        self._sink.write(data)
        self._sha256.update(data)
        self.bytes += len(data)
        return len(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 of all bytes so far, lower-case hex."""
        return self._sha256.hexdigest()
