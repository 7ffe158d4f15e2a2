"""
Upload files while they are produced. None of them is renamed to its final name before all are complete.

Their sizes and contents are known only at the end, so a try that was cut off cannot be resumed: every try has its own
temporary names, and removes those that an earlier one left.
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

    :param session: opens a session when one is needed, and reuses it
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
        Begin, or begin again, and check before the query runs that the first file can be sent.

        :param remote_path: its final, absolute path
        :raises RejectedError: if a folder or permission is missing, or the name is taken and must not be replaced
        :raises TransientError: if the site cannot be reached
        """
        # Bytes from a broken connection may still arrive at the site, under the previous names.
        self._try = secrets.token_hex(8)
        self._begun.clear()
        self._arrived.clear()
        self._claim(remote_path)

    @contextmanager
    def file(self, remote_path: str, stages: Flow) -> Iterator[MeasuredSink]:
        """
        Yield a sink for a file. When the block ends, the whole file is at the site under a temporary name.

        :param remote_path: its final, absolute path
        :param stages: the stages that produce the bytes
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
                publication.clean_up(session, [remote_path], keep=self._begun)
            self._begun.append(path)

            def renew(_: object = None) -> None:
                publication.lock.refresh(session)

            with remote_writer(session, path, failed=f"the upload of {remote_path} failed", on_offset=renew) as target:
                measured = MeasuredSink(stages.watched(target))
                yield measured
            require_arrived(session, path, measured.bytes)
            if self.plan.rules.verify != "size":
                verify(session, path, measured.bytes, measured.sha256, self.plan.rules.verify, on_read=renew)
        self._arrived.append(Arrived(path, remote_path, measured.bytes, measured.sha256))

    def publish(self) -> None:
        """
        Rename all files to their final names.

        :raises TransientError: if the connection or the site fails
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
            publication.check_names(session, [remote_path])

        # The site may have closed the session during a long query, which shows only now.
        reconnecting(self._session, claim, lambda: None)
        return publication

    def remove(self) -> None:
        """Remove the temporary files, as far as the connection still allows."""
        if (session := self._session.alive) is not None:
            if self._publication is not None:
                self._publication.give_up(session)
            remove_as_possible(session, self._begun)
        if self._timer is not None:
            self._timer.cancel()

    def close_in(self, seconds: float) -> None:
        """Close the session after some seconds, even while it is used: waits for the site then fail."""
        if (session := self._session.alive) is not None:
            self._timer = threading.Timer(seconds, session.close)
            self._timer.daemon = True
            self._timer.start()
