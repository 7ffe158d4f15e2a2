"""Send one file's bytes, or those of them that are not at the site yet."""

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
"""So much of what a lost connection left could have holes, when a site writes requests in any order."""


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
    Send a file, from where an earlier try of the same contents ended.

    :param session: an open session
    :param path: the path that it arrives under; the name must stand for these very contents
    :param source: opens its bytes
    :param size: its exact size
    :param failed: how an error in the middle begins
    :param on_bytes: told the size of every block that was sent
    :param on_offset: told from time to time how many bytes have safely arrived
    :return: how many bytes were there already and are taken on trust: those before the tail that was compared
    :raises TransientError: if not all of it arrived
    """
    with source() as reader:
        offset, trusted = _arrived(session, path, reader, size)
        on_offset(offset)
        if offset < size or not size:
            _write(session, path, reader, offset, failed, on_bytes, on_offset)
    # A site's success at the close proves nothing.
    require_arrived(session, path, size)
    return trusted


def _arrived(session: Session, path: str, reader: BinaryIO, size: int) -> tuple[int, int]:
    """Tell up to where what is there is right, and where the tail begins that was read back and compared."""
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
        # A site where one may write and not read: nothing can be trusted.
        return 0, 0
    # What differs from the beginning of the tail on is no tail of this file.
    return (start + same, start) if same else (0, 0)


def _same(there: paramiko.SFTPFile, reader: BinaryIO, size: int) -> int:
    """Tell for how many bytes two files are the same, give or take a step."""
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
