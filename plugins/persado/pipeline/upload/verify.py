"""Check that a file at the site holds what was sent: its size, or every byte of it."""

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
"""How many bytes are requested at once, so that the latency of a response counts only once."""

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

    :param size: its exact size
    :param sha256: the SHA-256 of its bytes, lower-case hex
    :param how: what to check besides the size
    :param on_read: called from time to time while the file is read back
    :raises RejectedError: if it does not exist, or must be read back and cannot be
    :raises TransientError: if its size or its content differs
    """
    require_size(session, path, size)
    if how == "size" or not size:
        return
    found = server_sha256(session, path, size) if how == "server_hash" else None
    if found is None:
        if how == "server_hash":
            _LOG.info("%s: the site returned no SHA-256 (check-file); reading the file back instead", path)
        found = _read_back(session, path, size, on_read)
    if found != sha256:
        raise TransientError(f"{path}: expected the SHA-256 {sha256} at the site, found {found}")
    _LOG.info("%s: the SHA-256 at the site matches", path)


def _read_back(session: Session, path: str, size: int, on_read: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    try:
        with opened(session, path, "rb") as file, site_errors(f"cannot read {path}"):
            # After a short response to a larger request, paramiko requests the rest one by one.
            file.MAX_REQUEST_SIZE = 1 << 15
            for start in range(0, size, WINDOW):
                window = range(start, min(start + WINDOW, size), BLOCK)
                for block in file.readv([(offset, min(BLOCK, size - offset)) for offset in window]):
                    digest.update(block)
                on_read()
    except RejectedError as error:
        raise RejectedError(f"{error}. The file cannot be read back to compare its SHA-256") from error
    return digest.hexdigest()
