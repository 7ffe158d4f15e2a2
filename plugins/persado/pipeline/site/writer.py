"""
Write a file at the site with many requests in flight.

Requests are sent before the responses to earlier ones have arrived, so that throughput does not depend on latency.
Responses are read as they arrive: an error shows soon, and writing never stops to wait for all of them.
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
"""The most bytes in flight. sshd and asyncssh allow 2 MiB; the rest is for sites that allow more."""


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
    Open a file at the site for writing. When the block ends, the site has confirmed all of it.

    Nothing else may use the session meanwhile.

    :param path: the file's path; everything from ``offset`` on is overwritten, with 0 the whole file
    :param failed: the beginning of the message if writing fails
    :param offset: where to continue
    :param on_offset: called from time to time with the offset up to which the site has confirmed everything
    :raises TransientError: if the connection or the site fails
    :raises RejectedError: if the site refuses
    """
    with opened(session, path, "r+b" if offset else "wb") as file:
        writer = RemoteWriter(session, file, offset, failed, on_offset)
        yield writer
        writer.finish()


class RemoteWriter:
    """Collect bytes into requests as large as the site takes; see :func:`remote_writer`."""

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
        self._unanswered: dict[int, tuple[int, int]] = {}  # request number -> offset and size
        self._in_flight = 0
        self._refusal: Exception | None = None

    def write(self, data: Buffer, /) -> int:
        """Send the bytes, or buffer them until they fill a request."""
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
        """Send what is left, and wait for all responses."""
        with site_errors(self._failed):
            if self._rest:
                self._send(self._rest)
                self._rest = bytearray()
            while self._unanswered:
                self._read_response()
        self._on_offset(self._offset)

    def _send(self, data: Buffer) -> None:
        size = memoryview(data).nbytes
        while self._unanswered and (self._in_flight + size > UNANSWERED or self._session.sock.recv_ready()):
            self._read_response()
        number = self._session.request_write(self, self._file.handle, self._offset, data)
        self._unanswered[number] = (self._offset, size)
        self._in_flight += size
        self._offset += size

    def _read_response(self) -> None:
        self._session.read_response()
        if self._refusal:
            raise self._refusal
        oldest, _ = next(iter(self._unanswered.values()), (self._offset, 0))
        self._on_offset(oldest)

    def _async_response(self, kind: int, message: paramiko.Message, number: int) -> None:
        """Process the response to a request; paramiko calls this wherever it reads responses."""
        self._in_flight -= self._unanswered.pop(number)[1]
        try:
            self._session.check_status(kind, message)
        except (OSError, EOFError, paramiko.SFTPError) as error:
            # Raised later: the response may have been read while waiting for another one.
            self._refusal = self._refusal or error
