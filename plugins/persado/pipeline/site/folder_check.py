"""Whether a remote folder can take a delivery, tried in the least intrusive way: an empty hidden file, gone at once."""

from __future__ import annotations

import posixpath
import secrets

from persado.errors import RejectedError
from persado.pipeline.site.files import opened, remove_if_there, require_folder
from persado.pipeline.site.session import Session


def require_writable(session: Session, folder: str) -> None:
    """
    Check that a folder is there, and that files can be written to it and removed again, as every delivery does.

    :param session: an open session
    :param folder: its full path
    :raises RejectedError: if it is missing, no folder, or not writable
    """
    require_folder(session, folder)
    # Named like a delivery's temporary files, which receivers do not look at.
    probe = posixpath.join(folder, f".persado-test-{secrets.token_hex(8)}.part")
    try:
        # "x" for exclusive: nothing that is there can be touched.
        with opened(session, probe, "wx"):
            pass
    except RejectedError as error:
        raise RejectedError(
            f"remote folder {folder}: it is not writable for this account. Ask Persado for the right to write there, "
            "or correct remote_folder of the destination"
        ) from error
    try:
        remove_if_there(session, probe)
    except RejectedError as error:
        raise RejectedError(
            f"remote folder {folder}: this account may write there but not remove files, which a delivery must be able "
            f"to do. Ask Persado for that right, and remove the empty file {probe}"
        ) from error
