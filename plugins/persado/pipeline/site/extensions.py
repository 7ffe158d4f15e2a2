"""SFTP extensions that some sites offer: the free space, and a file's SHA-256."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import paramiko
from paramiko.sftp import int64

from persado.pipeline.site.errors import is_status_error, site_errors
from persado.pipeline.site.session import Session

_SHA256_BYTES = 32
_SLOWEST_HASH = 20_000_000
"""Bytes per second that every site is assumed to read and hash."""


def free_space_query(folder: str) -> tuple[str, str]:
    """Return the query of :func:`free_bytes`, for ``prefetching``."""
    return "statvfs@openssh.com", folder


def free_bytes(session: Session, folder: str) -> int | None:
    """
    Return how many bytes this account may still write, from the extension ``statvfs@openssh.com``.

    :param folder: an existing folder
    :return: None if the site does not report it
    """
    with site_errors(f"cannot query the free space of {folder}"):
        response = _query(session, *free_space_query(folder))
    if response is None:
        return None
    _, block, blocks, _, free = (response.get_int64() for _ in range(5))
    return free * block if blocks else None


def server_sha256(session: Session, path: str, size: int) -> str | None:
    """
    Request a file's SHA-256 by the extension ``check-file``.

    :param size: the file's size, which extends the time-out
    :return: lower-case hex; None if the site does not support it
    """
    with site_errors(f"cannot query the SHA-256 of {path}"), _longer_timeout(session, size / _SLOWEST_HASH):
        response = _query(session, "check-file-name", path, "sha256", int64(0), int64(0), 0)
    found = b"" if response is None else response.get_remainder()[-_SHA256_BYTES:]
    return found.hex() if len(found) == _SHA256_BYTES else None


def _query(session: Session, extension: str, *arguments: object) -> paramiko.Message | None:
    try:
        return session.extended(extension, *arguments)
    except OSError as error:
        if not is_status_error(error) and not isinstance(error, PermissionError):
            raise
        return None


@contextmanager
def _longer_timeout(session: Session, seconds: float) -> Iterator[None]:
    """Add seconds to the session's time-out."""
    usual = session.sock.gettimeout()
    session.sock.settimeout(None if usual is None else usual + seconds)
    try:
        yield
    finally:
        session.sock.settimeout(usual)
