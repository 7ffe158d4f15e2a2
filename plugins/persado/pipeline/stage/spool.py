"""
A temporary file that only this process can read. It has no name, and its key exists only in memory.

It is needed in the one case in which a stream must be stored: a tar member's size precedes its bytes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from typing_extensions import Buffer  # in collections.abc from Python 3.12 on

BLOCK = 1 << 20


@contextmanager
def spool() -> Iterator[Spool]:
    """Create a spool, and remove it when the block ends."""
    with tempfile.TemporaryFile(prefix="persado-spool-", buffering=0) as file:
        yield Spool(file.fileno())


class Spool:
    """Stores bytes, then returns them; created by :func:`spool`."""

    def __init__(self, descriptor: int) -> None:
        self._file = descriptor
        self._cipher = Cipher(algorithms.AES256(os.urandom(32)), modes.CTR(os.urandom(16)))
        self._encryptor = self._cipher.encryptor()
        self.size = 0

    def write(self, data: Buffer, /) -> int:
        """Append bytes."""
        rest = memoryview(self._encryptor.update(memoryview(data)))
        size = len(rest)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self.size += size
        return size

    def blocks(self) -> Iterator[bytes]:
        """Yield all bytes, from the first on."""
        decryptor = self._cipher.decryptor()
        os.lseek(self._file, 0, os.SEEK_SET)
        while block := os.read(self._file, BLOCK):
            yield decryptor.update(block)
