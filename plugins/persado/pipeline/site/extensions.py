"""What some sites tell beyond plain SFTP: the free space, and a file's SHA-256."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import paramiko
from paramiko.sftp import int64

from persado.pipeline.site.errors import is_answer, site_errors
from persado.pipeline.site.session import Session

_SHA256_BYTES = 32
_SLOWEST_HASH = 20_000_000
"""So many bytes a second a site reads and hashes at least."""


def free_space_question(folder: str) -> tuple[str, str]:
    """
    Give what :func:`free_bytes` asks, for ``prefetching``.

    :param folder: a folder that is there
    """
    return "statvfs@openssh.com", folder


def free_bytes(session: Session, folder: str) -> int | None:
    """
    Tell how many bytes this account may still write, by the extension ``statvfs@openssh.com``.

    :param session: an open session
    :param folder: a folder that is there
    :return: None where the site does not tell
    """
    with site_errors(f"cannot ask for the free space of {folder}"):
        answer = _answer(session, *free_space_question(folder))
    if answer is None:
        return None
    _, block, blocks, _, free = (answer.get_int64() for _ in range(5))
    return free * block if blocks else None


def server_sha256(session: Session, path: str, size: int) -> str | None:
    """
    Ask the site for a file's SHA-256, by the extension ``check-file``.

    :param session: an open session
    :param path: the file
    :param size: its size, which decides how long to wait
    :return: lower-case hex; None where the site does not offer it
    """
    with site_errors(f"cannot ask for the SHA-256 of {path}"), _patient(session, size / _SLOWEST_HASH):
        answer = _answer(session, "check-file-name", path, "sha256", int64(0), int64(0), 0)
    found = b"" if answer is None else answer.get_remainder()[-_SHA256_BYTES:]
    return found.hex() if len(found) == _SHA256_BYTES else None


def _answer(session: Session, extension: str, *arguments: object) -> paramiko.Message | None:
    try:
        return session.extended(extension, *arguments)
    except OSError as error:
        if not is_answer(error) and not isinstance(error, PermissionError):
            raise
        return None


@contextmanager
def _patient(session: Session, seconds: float) -> Iterator[None]:
    """Wait longer for an answer than usual."""
    usual = session.sock.gettimeout()
    session.sock.settimeout(None if usual is None else usual + seconds)
    try:
        yield
    finally:
        session.sock.settimeout(usual)
