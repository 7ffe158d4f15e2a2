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
from contextlib import contextmanager

from persado.pipeline.flow import Flow
from persado.pipeline.site.files import require_arrived
from persado.pipeline.site.reconnect import KeptSession, reconnecting
from persado.pipeline.site.session import Session
from persado.pipeline.site.writer import remote_writer
from persado.pipeline.stage.artifact import MeasuredSink
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.publish import Arrived, Publication
from persado.pipeline.upload.rename import remove_as_possible
from persado.pipeline.upload.temporary_names import temporary_path
from persado.pipeline.upload.verify import verify


class StreamUpload:
    """
    The files of one delivery at the site.

    :param session: opens a session where it is needed, and keeps it
    :param plan: where the files go
    """

    def __init__(self, session: KeptSession, plan: UploadPlan) -> None:
        self._session = session
        self.plan = plan
        self._publication: Publication | None = None
        self._try = ""
        self._begun: list[str] = []
        self._arrived: list[Arrived] = []
        self._timer: threading.Timer | None = None

    def begin(self, remote_path: str) -> None:
        """
        Begin, or begin anew, and look before the query runs whether the first file can be sent.

        :param remote_path: its final, absolute path
        :raises RejectedError: where a folder is missing, a right is lacking, or the name is taken and must not be
        :raises TransientError: where the site is out of reach
        """
        # Bytes of a connection that broke may still be on their way to the site, under the names of then.
        self._try = secrets.token_hex(8)
        self._begun.clear()
        self._arrived.clear()
        self._claim(remote_path)

    @contextmanager
    def file(self, remote_path: str, stages: Flow) -> Iterator[MeasuredSink]:
        """
        Take a file's bytes; when the block ends, all of them are at the site, under a temporary name.

        :param remote_path: its final, absolute path
        :param stages: the stages that the bytes come from
        """
        publication = self._claim(remote_path)
        path = temporary_path(
            remote_path,
            self.plan.delivery_id,
            len(self._begun) + 1,
            self._try,
            hidden=self.plan.rules.quirks.hidden_names,
        )
        with self._session() as session:
            if posixpath.dirname(path) not in {posixpath.dirname(begun) for begun in self._begun}:
                publication.tidy(session, [remote_path], keep=self._begun)
            self._begun.append(path)

            def keep(_: object = None) -> None:
                publication.lock.keep(session)

            with remote_writer(session, path, failed=f"the upload of {remote_path} failed", on_offset=keep) as target:
                measured = MeasuredSink(stages.watched(target))
                yield measured
            require_arrived(session, path, measured.bytes)
            if self.plan.rules.verify != "size":
                verify(session, path, measured.bytes, measured.sha256, self.plan.rules.verify, on_read=keep)
        self._arrived.append(Arrived(path, remote_path, measured.bytes, measured.sha256))

    def publish(self) -> None:
        """
        Give all files their final names.

        :raises TransientError: where the connection or the site fails
        """
        if (publication := self._publication) is None:
            return
        reconnecting(
            self._session,
            lambda session: publication.advance(session, self._arrived),
            lambda: publication.renamed,
        )

    def _claim(self, remote_path: str) -> Publication:
        publication = self._publication
        if publication is None:
            self._publication = publication = Publication(self.plan, remote_path)

        def claim(session: Session) -> None:
            publication.claim(session, [remote_path])
            publication.look(session, [remote_path])

        # The query may have taken so long that the site has ended the session, unnoticed so far.
        reconnecting(self._session, claim, lambda: None)
        return publication

    def remove(self) -> None:
        """Remove what is under temporary names, as far as the connection still allows."""
        if (session := self._session.alive) is not None:
            if self._publication is not None:
                self._publication.give_up(session)
            remove_as_possible(session, self._begun)
        if self._timer is not None:
            self._timer.cancel()

    def close_in(self, seconds: float) -> None:
        """Close the session after a while, whatever is going on in it: what waits for the site then fails."""
        if (session := self._session.alive) is not None:
            self._timer = threading.Timer(seconds, session.close)
            self._timer.daemon = True
            self._timer.start()
