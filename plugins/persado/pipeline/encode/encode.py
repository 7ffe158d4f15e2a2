"""
Encode: gzip, zip, tar and tgz, written sequentially. The same members always produce the same bytes.

After a failure the file lacks the end that its format requires, so no reader takes it for a complete file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from persado.pipeline.encode.archives import Container
from persado.pipeline.encode.compress import STANDARD, Compression
from persado.pipeline.encode.formats import FORMATS
from persado.pipeline.stage.artifact import Sink
from persado.settings.models.setting_values import Encoding

if TYPE_CHECKING:
    from typing_extensions import Buffer  # in collections.abc from Python 3.12 on


@contextmanager
def encoded(
    sink: Sink, encoding: Encoding, *, compression: Compression = STANDARD, zip64: bool = False
) -> Iterator[Encoder]:
    """
    Encode the members that are written inside the block, and write the result to the sink.

    The sink is written sequentially and left open. The output has no time (zip: always 1980-01-01, its earliest date),
    no owner and no names except the members'. The size of a zip member need not be known in advance. A member of 4 GiB
    or more uses the 64-bit fields (Zip64), which some readers do not support.

    :param encoding: ``none`` and ``gzip`` hold one member, the others any number
    :param zip64: use zip's 64-bit fields even if the 32-bit ones would do
    :raises ValueError: if the members do not fit the encoding
    """
    encoder = Encoder(FORMATS[encoding].container(sink.write, compression, zip64))
    yield encoder
    encoder.finish()


class Encoder:
    """Writes one member after the other; created by :func:`encoded`."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._names: set[str] = set()
        self._unfinished: str | None = None

    @contextmanager
    def member(self, name: str, size: int | None = None) -> Iterator[BinaryIO]:
        """
        Write a member into the yielded file.

        :param name: its name inside the archive; ``none`` and ``gzip`` do not store it
        :param size: its size in bytes; required for tar and tgz, and checked if given
        :raises ValueError: if the name is empty or already used, another member is not finished, or the size is
            missing or wrong
        """
        if self._unfinished is not None:
            raise ValueError(f"{name!r} cannot begin: {self._unfinished!r} was not finished")
        if not name or name in self._names:
            raise ValueError(f"the member's name {name!r} is " + ("used already" if name else "empty"))
        self._container.begin(name, size)
        self._names.add(name)
        self._unfinished = name
        with _Member(self._container) as file:
            yield cast("BinaryIO", file)
            written = file.tell()
        if size is not None and written != size:
            raise ValueError(f"{name!r} has {written} bytes, but {size} were announced")
        self._container.end()
        self._unfinished = None

    def finish(self) -> None:
        """
        Complete the file; :func:`encoded` calls this.

        :raises ValueError: if a member is missing or unfinished
        """
        if self._unfinished is not None:
            raise ValueError(f"{self._unfinished!r} was not finished")
        self._container.finish()


class _Member(io.BufferedIOBase):
    """The file that a member is written into. Closing it early, as a wrapper may do, does not end the member."""

    def __init__(self, container: Container) -> None:
        super().__init__()
        self._container = container
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        if self.closed:
            raise ValueError("this member has ended")
        block = data if isinstance(data, bytes) else bytes(data)
        self._container.write(block)
        self._size += len(block)
        return len(block)

    def tell(self) -> int:
        return self._size
