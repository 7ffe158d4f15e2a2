"""Check that a remote folder can take a delivery, by creating and removing an empty hidden file."""

from __future__ import annotations

import posixpath
import secrets

from persado.errors import RejectedError
from persado.pipeline.site.files import opened, remove_if_there, require_folder
from persado.pipeline.site.session import Session


def require_writable(session: Session, folder: str) -> None:
    """
    Check that a folder exists, and that files can be created and removed in it, as every delivery does.

    :param folder: its full path
    :raises RejectedError: if it is missing, not a folder or not writable
    """
    require_folder(session, folder)
    # Named like a delivery's temporary files, which receivers ignore.
    probe = posixpath.join(folder, f".persado-test-{secrets.token_hex(8)}.part")
    try:
        # "x" fails if the file exists, so that nothing is overwritten.
        with opened(session, probe, "wx"):
            pass
    except RejectedError as error:
        raise RejectedError(
            f"remote folder {folder}: it is not writable for this account. Ask Persado for write "
            "permission, or correct remote_folder of the destination"
        ) from error
    try:
        remove_if_there(session, probe)
    except RejectedError as error:
        raise RejectedError(
            f"remote folder {folder}: this account can create files there but not remove them, which every delivery "
            f"does. Ask Persado for that permission, and remove the empty file {probe}"
        ) from error
