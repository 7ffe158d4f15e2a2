"""
The containers that an encoding writes: a single stream or tar. Zip is in a separate module.

Containers write sequentially and never seek. They use neither the clock nor the user, so the same members produce the
same bytes on a disk, in a pipe and on a remote site. Each has ``begin``, ``write`` and ``end`` for a member, and
``finish`` for the whole file. Without ``finish`` the file is truncated, and readers report it.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from typing import Protocol

from persado.pipeline.encode.compress import GZIP_WINDOW, Compression

Write = Callable[[bytes], object]


class Container(Protocol):
    """Writes members into one file."""

    def begin(self, name: str, size: int | None) -> None:
        """Begin a member; its size, if known, is exact."""

    def write(self, data: bytes) -> None:
        """Write the member's next bytes."""

    def end(self) -> None:
        """End the member."""

    def finish(self) -> None:
        """Complete the file."""


class Single:
    """No container: exactly one member, whose name is not stored."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._members = 0

    def begin(self, name: str, size: int | None) -> None:
        """Begin the only member."""
        self._members += 1
        if self._members > 1:
            raise ValueError(f"{name!r} is the second member, but this encoding holds one; use zip, tar or tgz")

    def write(self, data: bytes) -> None:
        """Pass the bytes on."""
        self._write(data)

    def end(self) -> None:
        """End the only member."""

    def finish(self) -> None:
        """Check that there was a member."""
        if not self._members:
            raise ValueError("this encoding holds one member, and none was written")


class Gzip:
    """
    A container inside a gzip stream. The gzip header has neither a name nor a time.

    :param container: creates the container inside
    """

    def __init__(self, write: Write, compression: Compression, container: Callable[[Write], Container]) -> None:
        self._write = write
        self._deflater = compression.deflater(GZIP_WINDOW)
        self._inside = container(self._compress)

    def begin(self, name: str, size: int | None) -> None:
        """Begin a member of the container."""
        self._inside.begin(name, size)

    def write(self, data: bytes) -> None:
        """Compress the member's next bytes."""
        self._inside.write(data)

    def end(self) -> None:
        """End the member."""
        self._inside.end()

    def finish(self) -> None:
        """Complete the container, then the gzip stream."""
        self._inside.finish()
        self._write(self._deflater.flush())

    def _compress(self, data: bytes) -> None:
        if ready := self._deflater.compress(data):
            self._write(ready)


class Tar:
    """A POSIX tar file, with an extended (pax) header only for names and sizes that do not fit the plain one."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._offset = 0

    def begin(self, name: str, size: int | None) -> None:
        """Write the member's header. It contains the size, so the size must be known."""
        if size is None:
            raise ValueError(f"the size of {name!r} must be known before it goes into a tar file")
        info = tarfile.TarInfo(name)  # owned by 0:0 without names, mode 0644, time 0
        info.size = size
        self._put(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))

    def write(self, data: bytes) -> None:
        """Pass the bytes on."""
        self._put(data)

    def end(self) -> None:
        """Pad the last block."""
        self._put(bytes(-self._offset % tarfile.BLOCKSIZE))

    def finish(self) -> None:
        """Write the end mark and pad the last record as GNU tar does."""
        self._put(bytes(2 * tarfile.BLOCKSIZE))
        self._put(bytes(-self._offset % tarfile.RECORDSIZE))

    def _put(self, data: bytes) -> None:
        self._write(data)
        self._offset += len(data)
