"""Send a file, or the part of it that is not at the site yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import paramiko

from persado.errors import PersadoError
from persado.pipeline.site.errors import ConnectionLostError, site_errors
from persado.pipeline.site.files import opened, require_arrived, size_of
from persado.pipeline.site.session import Session
from persado.pipeline.site.writer import UNANSWERED, remote_writer

BLOCK = 1 << 20
STEP = 1 << 15
TAIL = UNANSWERED + BLOCK
"""How much at the end of an interrupted file may have holes, if the site writes requests in any order."""


def send(
    session: Session,
    path: str,
    source: Callable[[], BinaryIO],
    size: int,
    *,
    failed: str,
    on_bytes: Callable[[int], None],
    on_offset: Callable[[int], None],
) -> int:
    """
    Send a file, from where an earlier try of the same content ended.

    :param path: its temporary path; the name must be specific to this content
    :param source: opens its bytes
    :param size: its exact size
    :param failed: the beginning of the message if sending fails
    :param on_bytes: called with the size of every block that was sent
    :param on_offset: called from time to time with the number of bytes that the site has confirmed
    :return: the bytes that were there already and were not compared: those before the tail
    :raises TransientError: if not all of it arrived
    """
    with source() as reader:
        offset, trusted = _arrived(session, path, reader, size)
        on_offset(offset)
        if offset < size or not size:
            _write(session, path, reader, offset, failed, on_bytes, on_offset)
    # A successful close proves nothing.
    require_arrived(session, path, size)
    return trusted


def _arrived(session: Session, path: str, reader: BinaryIO, size: int) -> tuple[int, int]:
    """Return up to where the remote file is right, and where its tail begins, which was compared."""
    found = size_of(session, path) or 0
    if not 0 < found <= size:
        return 0, 0
    start = max(found - TAIL, 0)
    reader.seek(start)
    try:
        with opened(session, path, "rb") as there, site_errors(f"cannot read {path}"):
            there.seek(start)
            same = _same(there, reader, found - start)
    except ConnectionLostError:
        raise
    except PersadoError:
        # The site may allow to write but not to read: trust nothing.
        return 0, 0
    # If the tail differs from its beginning on, the remote file is not the beginning of this one.
    return (start + same, start) if same else (0, 0)


def _same(there: paramiko.SFTPFile, reader: BinaryIO, size: int) -> int:
    """Return for how many bytes two files are equal, rounded down to a step."""
    same = 0
    while same < size:
        here = reader.read(min(BLOCK, size - same))
        block = there.read(len(here))
        if not here or block != here:
            steps = range(0, len(here), STEP)
            return same + next(step for step in steps if block[step : step + STEP] != here[step : step + STEP])
        same += len(here)
    return same


def _write(
    session: Session,
    path: str,
    reader: BinaryIO,
    offset: int,
    failed: str,
    on_bytes: Callable[[int], None],
    on_offset: Callable[[int], None],
) -> None:
    reader.seek(offset)
    with remote_writer(session, path, failed=failed, offset=offset, on_offset=on_offset) as target:
        while block := reader.read(BLOCK):
            target.write(block)
            on_bytes(len(block))
