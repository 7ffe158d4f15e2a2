"""
Compress: every compressed byte of this project comes from here.

isal (Intel's ISA-L) is several times as fast as zlib and writes a few per cent more. The same data gives the same
bytes, in whichever portions it comes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Protocol

from isal import isal_zlib

from persado.settings.models.conflicts import ISAL_BEST
from persado.settings.models.setting_values import Compressor

GZIP_WINDOW = 31  # zlib's way to ask for the gzip format: no name and no time in its header
RAW_WINDOW = -15  # neither zlib's nor gzip's header

_BLOCK = 1 << 20
_DEFAULT_LEVELS = {"isal": 2, "zlib": 6}


class Deflater(Protocol):
    """What compresses, in the manner of zlib's compression objects."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """Take data, give what is ready."""

    def flush(self) -> bytes:
        """Give the rest, trailer included."""


@dataclass(frozen=True)
class Compression:
    """
    How to compress.

    :param compressor: None is isal, or zlib where the level is above isal's best
    :param level: 0 to 3 for isal, 0 to 9 for zlib; None is a good one
    """

    compressor: Compressor | None = None
    level: int | None = None

    def deflater(self, window: int) -> Deflater:
        """
        Make a compressor.

        :param window: zlib's ``wbits``, which also says the format
        """
        chosen = self.compressor or ("zlib" if (self.level or 0) > ISAL_BEST else "isal")
        level = _DEFAULT_LEVELS[chosen] if self.level is None else self.level
        if chosen == "zlib":
            return zlib.compressobj(level, zlib.DEFLATED, window)
        return _Steady(isal_zlib.compressobj(level, isal_zlib.DEFLATED, window))


STANDARD = Compression()


class _Steady:
    """Compress in blocks of one size, because what isal writes depends on the portions that it gets."""

    def __init__(self, deflater: Deflater) -> None:
        self._deflater = deflater
        self._rest = bytearray()

    def compress(self, data: bytes | memoryview, /) -> bytes:
        if not self._rest and len(data) == _BLOCK:  # as most portions are: spare the copy
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
    """Give the checksum of zip and gzip; isal's is faster than zlib's."""
    return isal_zlib.crc32(data, value)
