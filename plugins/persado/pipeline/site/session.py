"""An SFTP session."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import paramiko
from paramiko.sftp import CMD_ATTRS, CMD_EXTENDED, CMD_STAT, CMD_STATUS, CMD_WRITE, int64

from persado.pipeline.site.errors import site_errors
from persado.pipeline.site.listing import Listing

if TYPE_CHECKING:
    from typing_extensions import Buffer  # in collections.abc from Python 3.12 on


class Session(Listing):
    """An SFTP session that owns its connection: closing it closes the connection."""

    def __init__(self, channel: paramiko.Channel) -> None:
        super().__init__(channel)
        self._transport = channel.get_transport()
        self._prefetched: dict[object, _Response] = {}

    @property
    def request_size(self) -> int:
        """The most bytes in one write request: what the protocol guarantees, or more for servers that take more."""
        return 261_120 if "OpenSSH" in self._transport.remote_version else paramiko.SFTPFile.MAX_REQUEST_SIZE

    def request_write(self, receiver: object, handle: Any, offset: int, data: Buffer) -> int:
        """
        Send a write request without waiting for the response.

        :param receiver: gets the response from :meth:`read_response`, in its ``_async_response``
        :param handle: of the open file
        :param data: at most :attr:`request_size` bytes
        :return: the number of the request and of its response
        """
        number: int = self._async_request(receiver, CMD_WRITE, handle, int64(offset), data)  # type: ignore[attr-defined]
        return number

    def read_response(self) -> None:
        """Wait for the site's next response, and pass it to its receiver."""
        self._read_response()  # type: ignore[attr-defined]  # not in the type stubs, like the others

    def check_status(self, kind: int, message: paramiko.Message) -> None:
        """
        Check the response to a request that has no result.

        :raises OSError: if the site reports an error
        """
        if kind != CMD_STATUS:
            raise paramiko.SFTPError("expected a status")
        self._convert_status(message)  # type: ignore[attr-defined]

    @contextmanager
    def prefetching(self, paths: Iterable[str], extended: Iterable[tuple[str, str]] = ()) -> Iterator[None]:
        """
        Send several queries at once; the first call in the block that makes one of them gets its response.

        :param paths: paths for :meth:`stat`
        :param extended: queries for :meth:`extended`
        """
        with site_errors("cannot query the site's files"):
            for path in paths:
                self._prefetch(path, CMD_STAT, self._adjust_cwd(path))  # type: ignore[attr-defined]
            for query in extended:
                self._prefetch(query, CMD_EXTENDED, *query)
        try:
            yield
        finally:
            self._prefetched.clear()

    def stat(self, path: bytes | str) -> paramiko.SFTPAttributes:
        """Return the attributes of a path."""
        if path not in self._prefetched:
            return super().stat(path)
        kind, message = self._take_prefetched(path)
        if kind != CMD_ATTRS:
            raise paramiko.SFTPError("expected attributes")
        found: paramiko.SFTPAttributes = paramiko.SFTPAttributes._from_msg(message)  # type: ignore[attr-defined]  # noqa: SLF001
        return found

    def extended(self, extension: str, *arguments: object) -> paramiko.Message:
        """Send a request of a protocol extension."""
        query = (extension, *arguments)
        if query in self._prefetched:
            return self._take_prefetched(query)[1]
        response: paramiko.Message = self._request(CMD_EXTENDED, *query)[1]  # type: ignore[attr-defined]
        return response

    def _prefetch(self, query: object, *request: object) -> None:
        self._prefetched[query] = response = _Response()
        self._async_request(response, *request)  # type: ignore[attr-defined]

    def _take_prefetched(self, query: object) -> tuple[int, paramiko.Message]:
        response = self._prefetched.pop(query)
        while response.message is None:
            self.read_response()
        if response.kind == CMD_STATUS:
            self._convert_status(response.message)  # type: ignore[attr-defined]
        return response.kind, response.message

    @property
    def is_open(self) -> bool:
        """Whether the session can be used, as far as this side knows."""
        return self._transport.is_active() and not self.sock.closed

    def close(self) -> None:
        """Close the session and its connection, if they are still open."""
        close_transport(self._transport)


@dataclass
class _Response:
    """The response to a prefetched query, once it has arrived."""

    kind: int = 0
    message: paramiko.Message | None = None

    def _async_response(self, kind: int, message: paramiko.Message, _number: int) -> None:
        self.kind, self.message = kind, message


def close_transport(transport: paramiko.Transport) -> None:
    # Otherwise a timer of paramiko stays alive.
    transport.packetizer.complete_handshake()
    # paramiko's thread notices a closed connection at once, but the request to stop only at its next poll.
    with contextlib.suppress(OSError):
        transport.sock.shutdown(socket.SHUT_RDWR)
    transport.close()
    transport.sock.close()
    if transport.is_alive():
        transport.join(1)
