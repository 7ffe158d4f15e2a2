"""
Upload staged files so that no partial file is ever visible.

1. All bytes go to hidden temporary names that contain the delivery's id.
2. When every file is complete and verified, a stale ``.DONE`` is removed.
3. The files are renamed to their final names.

After a lost connection, a file continues where it ended, in the same try or in a later one of the same delivery.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from persado.errors import TransientError
from persado.pipeline.site.extensions import free_bytes, free_space_query
from persado.pipeline.site.files import size_of
from persado.pipeline.site.reconnect import Connect, reconnecting
from persado.pipeline.site.session import Session
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.publish import Arrived, Publication
from persado.pipeline.upload.rename import removed_on_error
from persado.pipeline.upload.temporary_names import temporary_path
from persado.pipeline.upload.transfer import send
from persado.pipeline.upload.verify import verify

__all__ = ["Upload", "temporary_path", "upload"]

AHEAD = 64
"""How many final paths are queried at once."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upload:
    """
    One file to send.

    :param remote_path: its final, absolute path at the site
    :param size: its exact size in bytes
    :param sha256: the SHA-256 of its bytes, lower-case hex
    :param open: opens its bytes for reading; must return a seekable file
    """

    remote_path: str
    size: int
    sha256: str
    open: Callable[[], BinaryIO]


def upload(
    connect: Connect,
    files: Sequence[Upload],
    plan: UploadPlan,
    *,
    on_bytes: Callable[[int], None] = lambda count: None,
    on_offset: Callable[[str, int, int], None] = lambda path, offset, size: None,
    on_complete: Callable[[], None] = lambda: None,
) -> None:
    """
    Send the files of one delivery. Afterwards each is complete under its final name.

    :param connect: opens a session; called again after a lost connection
    :param files: what to send, in order; at least one
    :param plan: where they go
    :param on_bytes: called with the size of every block that was sent
    :param on_offset: called from time to time with a file's path, the bytes that the site has confirmed, and its size
    :param on_complete: called when all files are in place, before another delivery may replace them; only if no success
        file follows
    :raises RejectedError: if a folder or permission is missing, or a name is taken and must not be replaced
    :raises TransientError: if the connection or the site fails; the next try of the delivery continues from there
    """
    publication = Publication(plan, files[0].remote_path, on_complete=on_complete)
    delivery = _Delivery(files, publication, on_bytes, on_offset)
    reconnecting(connect, delivery.advance, lambda: delivery.progress)


@dataclass
class _Delivery:
    """An upload and its progress: what outlives a lost connection, besides the bytes at the site."""

    files: Sequence[Upload]
    publication: Publication
    on_bytes: Callable[[int], None]
    on_offset: Callable[[str, int, int], None]
    prepared: bool = False
    asked_for_space: bool = False
    compare: bool = False
    sent: int = 0
    offset: int = 0

    def __post_init__(self) -> None:
        plan = self.publication.plan
        self.rules, delivery_id = plan.rules, plan.delivery_id
        hidden = self.rules.quirks.hidden_names
        self.paths = [file.remote_path for file in self.files]
        self.arriving = [
            Arrived(
                temporary_path(file.remote_path, delivery_id, number, file.sha256, hidden=hidden),
                file.remote_path,
                file.size,
                file.sha256,
            )
            for number, file in enumerate(self.files, 1)
        ]

    @property
    def progress(self) -> tuple[int, int, int]:
        """How far the upload is; it only grows."""
        return self.publication.renamed, self.sent, self.offset

    def advance(self, session: Session) -> None:
        """Do what is left to do."""
        publication, temporary = self.publication, [file.temporary for file in self.arriving]
        if not self.prepared:
            publication.claim(session, self.paths)
            publication.clean_up(session, self.paths, keep=temporary)
            self.sent = publication.count_in_place(session, self.arriving)
        else:
            # Stop before writing under names that another try has taken over.
            publication.lock.check_same_try(session)
        # Query the free space only once: on some sites the query breaks or stalls the connection.
        asking = not self.asked_for_space
        self.asked_for_space = True
        space = [free_space_query(publication.plan.remote_folder)] if asking else []
        ahead = [*self.paths[self.sent : self.sent + AHEAD], *temporary[self.sent : self.sent + 1]]
        with (
            removed_on_error(session, temporary, condition=lambda: publication.give_up(session)),
            session.prefetching([] if self.prepared else ahead, space),
        ):
            if not self.prepared:
                publication.check_names(session, self.paths[self.sent :])
                if asking:
                    self._check_space(session)
                self.prepared = True
            while self.sent < len(self.files):
                self._send(session, self.files[self.sent], temporary[self.sent])
                self.sent, self.offset, self.compare = self.sent + 1, 0, False
            publication.advance(session, self.arriving)

    def _check_space(self, session: Session) -> None:
        folder = self.publication.plan.remote_folder
        free = free_bytes(session, folder)
        needed = sum(file.size for file in self.files[self.sent :])
        if free is None or free >= needed:
            return
        needed -= sum(size_of(session, file.temporary) or 0 for file in self.arriving[self.sent :])
        if free < needed:
            raise TransientError(
                f"{folder}: {needed:,} bytes are to be sent, but the site has room for {free:,}. Nothing was sent. "
                "Make room there, or ask Persado to"
            )

    def _send(self, session: Session, file: Upload, path: str) -> None:
        lock = self.publication.lock

        def record(offset: int) -> None:
            self.offset = max(offset, self.offset)
            self.on_offset(file.remote_path, offset, file.size)
            lock.refresh(session)

        failed, own = f"the upload of {file.remote_path} failed", self.offset
        trusted = send(session, path, file.open, file.size, failed=failed, on_bytes=self.on_bytes, on_offset=record)
        how = self.rules.verify
        if trusted > own:
            # The bytes of an earlier try may have changed since.
            self.compare = True
            _LOG.info("%s: an earlier try sent part of it; comparing the whole file", file.remote_path)
        if how != "size" or self.compare:
            how = "server_hash" if how == "size" else how
            verify(session, path, file.size, file.sha256, how, on_read=lambda: lock.refresh(session))
