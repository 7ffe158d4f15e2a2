"""
Write a file at the site with many requests on their way.

A request is sent while the answers to earlier ones are still out, so that a long line is as full as a short one, and
the answers are taken as they come, so that a fault shows soon and writing never stops to wait for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import paramiko

from persado.pipeline.site.errors import site_errors
from persado.pipeline.site.files import opened
from persado.pipeline.site.session import Session

if TYPE_CHECKING:
    from typing_extensions import Buffer  # in collections.abc from Python 3.12 on

UNANSWERED = 8 << 20
"""So many bytes may be on their way. sshd itself lets 2 MiB be, asyncssh too: the rest is for sites that allow more."""


@contextmanager
def remote_writer(
    session: Session,
    path: str,
    *,
    failed: str,
    offset: int = 0,
    on_offset: Callable[[int], None] = lambda offset: None,
) -> Iterator[RemoteWriter]:
    """
    Open a file at the site for writing; when the block ends, the site has answered to all of it.

    :param session: an open session; nothing else may use it meanwhile
    :param path: the file's path; what is behind ``offset`` is overwritten, with 0 the whole file
    :param failed: how an error in the middle begins
    :param offset: where to go on
    :param on_offset: told from time to time up to where the site has taken everything
    :raises TransientError: where the connection or the site fails
    :raises RejectedError: where the site refuses
    """
    with opened(session, path, "r+b" if offset else "wb") as file:
        writer = RemoteWriter(session, file, offset, failed, on_offset)
        yield writer
        writer.finish()


class RemoteWriter:
    """What :func:`remote_writer` gives: collects bytes into requests as large as the site takes."""

    def __init__(
        self,
        session: Session,
        file: paramiko.SFTPFile,
        offset: int,
        failed: str,
        on_offset: Callable[[int], None],
    ) -> None:
        self._session = session
        self._file = file
        self._size = session.request_size
        self._failed = failed
        self._on_offset = on_offset
        self._offset = offset
        self._rest = bytearray()
        self._unanswered: dict[int, tuple[int, int]] = {}  # number -> where it writes, and how much
        self._in_flight = 0
        self._refusal: Exception | None = None

    def write(self, data: Buffer, /) -> int:
        """Send the bytes, or keep them until they fill a request."""
        view = memoryview(data).cast("B")
        size = len(view)
        with site_errors(self._failed):
            if self._rest:
                taken = self._size - len(self._rest)
                self._rest += view[:taken]
                view = view[taken:]
                if len(self._rest) == self._size:
                    self._send(self._rest)
                    self._rest = bytearray()
            while len(view) >= self._size:
                self._send(view[: self._size])
                view = view[self._size :]
            self._rest += view
        return size

    def finish(self) -> None:
        """Send what is left, and wait for all answers."""
        with site_errors(self._failed):
            if self._rest:
                self._send(self._rest)
                self._rest = bytearray()
            while self._unanswered:
                self._take_answer()
        self._on_offset(self._offset)

    def _send(self, data: Buffer) -> None:
        size = memoryview(data).nbytes
        while self._unanswered and (self._in_flight + size > UNANSWERED or self._session.sock.recv_ready()):
            self._take_answer()
        number = self._session.ask_to_write(self, self._file.handle, self._offset, data)
        self._unanswered[number] = (self._offset, size)
        self._in_flight += size
        self._offset += size

    def _take_answer(self) -> None:
        self._session.take_answer()
        if self._refusal:
            raise self._refusal
        oldest, _ = next(iter(self._unanswered.values()), (self._offset, 0))
        self._on_offset(oldest)

    def _async_response(self, kind: int, message: paramiko.Message, number: int) -> None:
        """Take the site's answer to a request; paramiko calls it from wherever it reads the site's answers."""
        self._in_flight -= self._unanswered.pop(number)[1]
        try:
            self._session.check_answer(kind, message)
        except (OSError, EOFError, paramiko.SFTPError) as error:
            # Raised later: what reads the answers may be about something else by now.
            self._refusal = self._refusal or error
