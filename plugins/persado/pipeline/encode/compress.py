"""
Compress: all compression in this project happens here.

isal (Intel's ISA-L) is several times as fast as zlib, and its output is a few per cent larger. The same data always
compresses to the same bytes, however it is split into writes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Protocol

from isal import isal_zlib

from persado.settings.models.conflicts import ISAL_BEST
from persado.settings.models.setting_values import Compressor

GZIP_WINDOW = 31  # zlib's code for the gzip format, with no name and no time in the header
RAW_WINDOW = -15  # raw deflate data, with neither zlib's nor gzip's header

_BLOCK = 1 << 20
_DEFAULT_LEVELS = {"isal": 2, "zlib": 6}


class Deflater(Protocol):
    """A compressor with the interface of zlib's compression objects."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """Compress data and return the output that is ready."""

    def flush(self) -> bytes:
        """Return the rest of the output, trailer included."""


@dataclass(frozen=True)
class Compression:
    """
    How to compress.

    :param compressor: None selects isal, or zlib if the level is above isal's highest
    :param level: 0 to 3 for isal, 0 to 9 for zlib; None selects the compressor's default (isal 2, zlib 6)
    """

    compressor: Compressor | None = None
    level: int | None = None

    def deflater(self, window: int) -> Deflater:
        """
        Create a compressor.

        :param window: zlib's ``wbits``, which also selects the format
        """
        chosen = self.compressor or ("zlib" if (self.level or 0) > ISAL_BEST else "isal")
        level = _DEFAULT_LEVELS[chosen] if self.level is None else self.level
        if chosen == "zlib":
            return zlib.compressobj(level, zlib.DEFLATED, window)
        return _FixedBlocks(isal_zlib.compressobj(level, isal_zlib.DEFLATED, window))


STANDARD = Compression()


class _FixedBlocks:
    """Compress in blocks of one size, because isal's output depends on how its input is split."""

    def __init__(self, deflater: Deflater) -> None:
        self._deflater = deflater
        self._rest = bytearray()

    def compress(self, data: bytes | memoryview, /) -> bytes:
        if not self._rest and len(data) == _BLOCK:  # the usual case: no copy needed
            return self._deflater.compress(data)
        self._rest += data
        whole = len(self._rest) // _BLOCK * _BLOCK
        if not whole:
            return b""
        ready = self._compressed(whole)
        del self._rest[:whole]
        return ready

    def flush(self) -> bytes:
        ready = self._compressed(len(self._rest)) + self._deflater.flush()
        self._rest.clear()
        return ready

    def _compressed(self, size: int) -> bytes:
        with memoryview(self._rest) as data:
            return b"".join(self._deflater.compress(data[at : at + _BLOCK]) for at in range(0, size, _BLOCK))


def crc32(data: bytes, value: int = 0) -> int:
    """Return the checksum that zip and gzip use; isal's is faster than zlib's."""
    return isal_zlib.crc32(data, value)
