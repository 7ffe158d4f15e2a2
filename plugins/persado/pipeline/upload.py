"""
Put files at the site so that nobody ever sees half of one.

All bytes go to hidden temporary names that carry the delivery's id; only when every file is there in its exact
size does a stale ``.DONE`` go, and then the files get their final names. What a lost connection left of a file is
taken up where it ended, in the same try or in a later one of the same delivery.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from persado.pipeline.publish import Arrived, IfExists, Publication
from persado.pipeline.reconnect import Connect, reconnecting
from persado.pipeline.remote_files import removed_on_error
from persado.pipeline.site import Session
from persado.pipeline.transfer import send


@dataclass(frozen=True)
class Upload:
    """
    One file to send.

    :param remote_path: its final, absolute path at the site
    :param size: its exact size in bytes
    :param sha256: the SHA-256 of its bytes, lower-case hex
    :param open: opens its bytes for reading; what it gives can seek
    """

    remote_path: str
    size: int
    sha256: str
    open: Callable[[], BinaryIO]


def upload(
    connect: Connect,
    files: Sequence[Upload],
    *,
    delivery_id: str,
    remote_folder: str,
    done_path: str | None,
    if_exists: IfExists = "replace",
    on_bytes: Callable[[int], None] = lambda count: None,
) -> None:
    """
    Send the files of one delivery; afterwards each stands under its final name, complete.

    :param connect: opens a session; used again where a connection is lost
    :param files: what to send, in order
    :param delivery_id: what marks this delivery's temporary names
    :param remote_folder: the folder of the destination, which must exist; folders below it are made
    :param done_path: the path of the success file that will follow: a stale one is removed before the first
        final name appears
    :param if_exists: what to do where a final name is taken already
    :param on_bytes: told the size of every block that was sent
    :raises RejectedError: where a folder is missing, a right is lacking, or a name is taken and must not be
    :raises TransientError: where the connection or the site fails; the next try of the delivery goes on from there
    """
    delivery = _Delivery(files, delivery_id, remote_folder, Publication(done_path, if_exists), on_bytes)
    reconnecting(connect, delivery.advance, lambda: delivery.progress)


def temporary_path(remote_path: str, delivery_id: str, number: int, sha256: str = "") -> str:
    """
    Give the hidden name beside the final one under which a file arrives.

    :param remote_path: the final path; the temporary name is short, whatever that is
    :param delivery_id: the delivery
    :param number: the file's number in the delivery
    :param sha256: what the file holds, so that never two contents mix under one name
    """
    name = f".persado-{delivery_id}-{number:07d}{f'-{sha256[:16]}' if sha256 else ''}.part"
    return posixpath.join(posixpath.dirname(remote_path), name)


@dataclass
class _Delivery:
    """An upload and what is done of it: all that outlives a lost connection, besides the bytes at the site."""

    files: Sequence[Upload]
    delivery_id: str
    remote_folder: str
    publication: Publication
    on_bytes: Callable[[int], None]
    prepared: bool = False
    sent: int = 0
    offset: int = 0

    def __post_init__(self) -> None:
        self.arriving = [
            Arrived(
                temporary_path(file.remote_path, self.delivery_id, number, file.sha256), file.remote_path, file.size
            )
            for number, file in enumerate(self.files, 1)
        ]

    @property
    def progress(self) -> tuple[int, int, int]:
        """How far it is; it only grows."""
        return self.publication.renamed, self.sent, self.offset

    def advance(self, session: Session) -> None:
        """Do what is left to do."""
        with removed_on_error(session, [file.temporary for file in self.arriving]):
            if not self.prepared:
                self.publication.look(session, self.remote_folder, [file.remote_path for file in self.files])
                self.prepared = True
            while self.sent < len(self.files):
                self._send(session, self.files[self.sent], self.arriving[self.sent].temporary)
                self.sent, self.offset = self.sent + 1, 0
            self.publication.advance(session, self.arriving)

    def _send(self, session: Session, file: Upload, path: str) -> None:
        def note(offset: int) -> None:
            self.offset = max(offset, self.offset)

        failed = f"the upload of {file.remote_path} failed"
        send(session, path, file.open, file.size, failed=failed, on_bytes=self.on_bytes, on_offset=note)
