"""
Put files at the site while they are being made; none of them gets its final name before all are there.

How large they become and what they hold is known only at the end, so that a try that was cut short begins anew:
every try has temporary names of its own, and removes those that an earlier one left.
"""

from __future__ import annotations

import posixpath
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from persado.errors import RejectedError
from persado.pipeline.artifact import MeasuredSink
from persado.pipeline.flow import Flow
from persado.pipeline.publish import Arrived, IfExists, Publication
from persado.pipeline.reconnect import KeptSession, reconnecting
from persado.pipeline.remote_files import remove_as_possible, remove_if_there, require_size
from persado.pipeline.remote_writer import remote_writer
from persado.pipeline.site_errors import site_errors
from persado.pipeline.upload import temporary_path


class StreamUpload:
    """
    The files of one delivery at the site.

    :param session: opens a session where it is needed, and keeps it
    :param delivery_id: what marks this delivery's temporary names
    :param remote_folder: the folder of the destination, which must exist; folders below it are made
    :param done_path: the path of the success file that will follow
    :param if_exists: what to do where a final name is taken already
    """

    def __init__(
        self,
        session: KeptSession,
        *,
        delivery_id: str,
        remote_folder: str,
        done_path: str | None,
        if_exists: IfExists = "replace",
    ) -> None:
        self._session = session
        self._delivery_id = delivery_id
        self._remote_folder = remote_folder
        self._publication = Publication(done_path, if_exists)
        self._try = secrets.token_hex(8)
        self._begun: list[str] = []
        self._arrived: list[Arrived] = []
        self._timer: threading.Timer | None = None

    def look(self, remote_path: str) -> None:
        """
        Look whether a file can be sent, before the query runs.

        :param remote_path: its final, absolute path
        :raises RejectedError: where a folder is missing, a right is lacking, or the name is taken and must not be
        :raises TransientError: where the site is out of reach
        """
        with self._session() as session:
            self._publication.look(session, self._remote_folder, [remote_path])

    @contextmanager
    def file(self, remote_path: str, stages: Flow) -> Iterator[MeasuredSink]:
        """
        Take a file's bytes; when the block ends, all of them are at the site, under a temporary name.

        :param remote_path: its final, absolute path
        :param stages: the stages that the bytes come from
        """
        folder = posixpath.dirname(remote_path)
        if folder not in {posixpath.dirname(path) for path in self._begun}:
            self._sweep(folder)
        self.look(remote_path)
        path = temporary_path(remote_path, self._delivery_id, len(self._begun) + 1, self._try)
        self._begun.append(path)
        with self._session() as session:
            with remote_writer(session, path, failed=f"the upload of {remote_path} failed") as target:
                measured = MeasuredSink(stages.watched(target))
                yield measured
            # A site's success at the close proves nothing.
            require_size(session, path, measured.bytes)
        self._arrived.append(Arrived(path, remote_path, measured.bytes))

    def publish(self) -> None:
        """
        Give all files their final names.

        :raises TransientError: where the connection or the site fails
        """
        reconnecting(
            self._session,
            lambda session: self._publication.advance(session, self._arrived),
            lambda: self._publication.renamed,
        )

    def remove(self) -> None:
        """Remove what is under temporary names, as far as the connection still allows."""
        if (session := self._session.alive) is not None:
            remove_as_possible(session, self._begun)
        if self._timer is not None:
            self._timer.cancel()

    def close_in(self, seconds: float) -> None:
        """Close the session after a while, whatever is going on in it: what waits for the site then fails."""
        if (session := self._session.alive) is not None:
            self._timer = threading.Timer(seconds, session.close)
            self._timer.daemon = True
            self._timer.start()

    def _sweep(self, folder: str) -> None:
        """Remove what earlier tries of this delivery left; where the site shows no folders, it stays."""
        ours = posixpath.basename(temporary_path(folder, self._delivery_id, 0)).rpartition("-")[0]
        with self._session() as session, suppress(RejectedError):
            with site_errors(f"cannot list {folder}"):
                names = session.listdir(folder)
            for name in names:
                if name.startswith(ours):
                    remove_if_there(session, posixpath.join(folder, name))
