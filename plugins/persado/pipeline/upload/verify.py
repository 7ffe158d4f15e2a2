"""Whether a file at the site holds what was sent: its size, or every byte of it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable

from persado.errors import RejectedError, TransientError
from persado.pipeline.site.errors import site_errors
from persado.pipeline.site.extensions import server_sha256
from persado.pipeline.site.files import opened, require_size
from persado.pipeline.site.session import Session
from persado.settings.models.setting_values import Verify

BLOCK = 1 << 18
WINDOW = 16 * BLOCK
"""So many bytes are asked for at once, because each answer takes its time to come."""

_LOG = logging.getLogger(__name__)


def verify(
    session: Session,
    path: str,
    size: int,
    sha256: str,
    how: Verify,
    *,
    on_read: Callable[[], None] = lambda: None,
) -> None:
    """
    Check a file at the site.

    :param session: an open session
    :param path: the file
    :param size: its exact size
    :param sha256: the SHA-256 of its bytes, lower-case hex
    :param how: what to check; the size always is
    :param on_read: told from time to time while it is read back
    :raises RejectedError: if it is gone, or must be read back and cannot be
    :raises TransientError: if it holds something else
    """
    require_size(session, path, size)
    if how == "size" or not size:
        return
    found = server_sha256(session, path, size) if how == "server_hash" else None
    if found is None:
        if how == "server_hash":
            _LOG.info("the site offers no SHA-256 of its files (check-file): %s is read back instead", path)
        found = _read_back(session, path, size, on_read)
    if found != sha256:
        raise TransientError(f"{path}: expected the SHA-256 {sha256} at the site, found {found}")
    _LOG.info("%s: the SHA-256 at the site is right", path)


def _read_back(session: Session, path: str, size: int, on_read: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    try:
        with opened(session, path, "rb") as file, site_errors(f"cannot read {path}"):
            # A larger request may get a shorter answer, which paramiko then asks for again, one by one.
            file.MAX_REQUEST_SIZE = 1 << 15
            for start in range(0, size, WINDOW):
                window = range(start, min(start + WINDOW, size), BLOCK)
                for block in file.readv([(offset, min(BLOCK, size - offset)) for offset in window]):
                    digest.update(block)
                on_read()
    except RejectedError as error:
        raise RejectedError(f"{error}. It cannot be read back to compare its SHA-256") from error
    return digest.hexdigest()
