"""The ``.DONE`` file: the last thing that a delivery writes."""

from __future__ import annotations

from collections.abc import Sequence

from persado.pipeline.reconnect import Connect, reconnecting
from persado.pipeline.remote_files import opened, removed_on_error, rename, require_size
from persado.pipeline.site import Session
from persado.pipeline.upload import temporary_path


def write_success_file(connect: Connect, done_path: str, files: Sequence[tuple[str, int]], *, delivery_id: str) -> None:
    """
    Write an empty ``.DONE``, after a last look at every file that it vouches for.

    :param connect: opens a session; used again where a connection is lost
    :param done_path: the absolute path of the ``.DONE`` file
    :param files: path and size of every file of the delivery
    :param delivery_id: what marks the temporary name
    :raises RejectedError: if a file is gone
    :raises TransientError: if a file has another size, or the connection fails
    """
    temporary = temporary_path(done_path, delivery_id, 0)

    def write(session: Session) -> None:
        for path, size in files:
            require_size(session, path, size)
        with removed_on_error(session, [temporary]):
            with opened(session, temporary, "wb"):
                pass
            require_size(session, temporary, 0)
            rename(session, temporary, done_path)

    reconnecting(connect, write, lambda: None)
