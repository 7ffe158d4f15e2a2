"""Zip files, written sequentially."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from persado.pipeline.encode.archives import Write
from persado.pipeline.encode.compress import RAW_WINDOW, Compression, crc32

_WIDE = 0xFFFFFFFF  # written into a 32-bit field when the value is in the 64-bit one
_STREAMED, _UTF8 = 0x8, 0x800
_EPOCH = 0x21  # 1 January 1980, the earliest date in zip
_MODE = 0o100644 << 16


@dataclass
class _Entry:
    name: bytes
    flags: int
    offset: int
    wide: bool
    crc: int = 0
    size: int = 0
    compressed: int = 0


class Zip:
    """
    A zip file whose sizes follow the data, so that it can be written sequentially.

    Some readers do not support the 64-bit fields (Zip64), so they are used only where needed:

    * in a member's header, if its size is known and needs them
    * after a member that turned out to need them
    * at the end of the file, if its size or the number of members needs them

    :param zip64: use the 64-bit fields everywhere
    """

    def __init__(self, write: Write, compression: Compression, *, zip64: bool) -> None:
        self._write = write
        self._compression = compression
        self._zip64 = zip64
        self._offset = 0
        self._entries: list[_Entry] = []

    def begin(self, name: str, size: int | None) -> None:
        """Write the member's header."""
        flags = _STREAMED | (0 if name.isascii() else _UTF8)
        wide = self._zip64 or (size is not None and size >= _WIDE)
        entry = _Entry(name.encode(), flags, self._offset, wide)
        extra = struct.pack("<HHQQ", 1, 16, 0, 0) if wide else b""
        sizes = _WIDE if wide else 0
        self._put(
            struct.pack("<4s5H3L2H", b"PK\3\4", *_format(entry), 0, sizes, sizes, len(entry.name), len(extra))
            + entry.name
            + extra
        )
        self._entries.append(entry)
        self._deflater = self._compression.deflater(RAW_WINDOW)

    def write(self, data: bytes) -> None:
        """Compress the bytes."""
        entry = self._entries[-1]
        entry.crc = crc32(data, entry.crc)
        entry.size += len(data)
        entry.compressed += self._put(self._deflater.compress(data))

    def end(self) -> None:
        """Write the checksum and the sizes after the member."""
        entry = self._entries[-1]
        entry.compressed += self._put(self._deflater.flush())
        entry.wide = entry.wide or entry.size >= _WIDE or entry.compressed >= _WIDE
        self._put(
            struct.pack("<4sL2Q" if entry.wide else "<4s3L", b"PK\7\x08", entry.crc, entry.compressed, entry.size)
        )

    def finish(self) -> None:
        """Write the directory of the members."""
        start = self._offset
        for entry in self._entries:
            self._put(_directory_entry(entry))
        end, count = self._offset, len(self._entries)
        size = end - start
        if self._zip64 or count >= 0xFFFF or end >= _WIDE:
            self._put(struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start))
            self._put(struct.pack("<4sLQL", b"PK\6\7", 0, end, 1))
            count, size, start = 0xFFFF, _WIDE, _WIDE
        self._put(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, start, 0))

    def _put(self, data: bytes) -> int:
        self._write(data)
        self._offset += len(data)
        return len(data)


def _format(entry: _Entry) -> tuple[int, int, int, int, int]:
    """Return the version that a reader needs, the flags, the method (deflate), the time and the date."""
    return (45 if entry.wide else 20, entry.flags, 8, 0, _EPOCH)


def _directory_entry(entry: _Entry) -> bytes:
    far = entry.offset >= _WIDE
    sizes = (_WIDE, _WIDE) if entry.wide else (entry.compressed, entry.size)
    wide = [entry.size, entry.compressed] * entry.wide + [entry.offset] * far
    extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    made_by = 3 << 8 | 45  # Unix, so that readers use the mode
    return (
        struct.pack("<4s6H3L", b"PK\1\2", made_by, *_format(entry), entry.crc, *sizes)
        + struct.pack("<5H2L", len(entry.name), len(extra), 0, 0, 0, _MODE, _WIDE if far else entry.offset)
        + entry.name
        + extra
    )
