"""The ``.DONE`` file: the last thing that a delivery writes."""

from __future__ import annotations

from collections.abc import Sequence

import paramiko

from persado.pipeline.site_errors import site_errors
from persado.pipeline.upload import rename, require_size, temporary_path

SUFFIX = ".DONE"


def write_success_file(
    sftp: paramiko.SFTPClient, done_path: str, files: Sequence[tuple[str, int]], *, delivery_id: str
) -> None:
    """
    Write an empty ``.DONE``, after a last look at every file that it vouches for.

    :param sftp: an open session
    :param done_path: the absolute path of the ``.DONE`` file
    :param files: path and size of every file of the delivery
    :param delivery_id: what marks the temporary name
    :raises RejectedError: if a file is gone
    :raises TransientError: if a file has another size, or the connection fails
    """
    for path, size in files:
        require_size(sftp, path, size)
    temporary = temporary_path(done_path, delivery_id, 0)
    with site_errors(f"cannot write {done_path}"), sftp.open(temporary, "wb"):
        pass
    require_size(sftp, temporary, 0)
    rename(sftp, temporary, done_path, delivery_id)
