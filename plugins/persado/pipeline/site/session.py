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
        self._ahead: dict[object, _Answer] = {}

    @property
    def request_size(self) -> int:
        """How many bytes one request to write may carry: what the protocol grants, and more where more is known."""
        return 261_120 if "OpenSSH" in self._transport.remote_version else paramiko.SFTPFile.MAX_REQUEST_SIZE

    def ask_to_write(self, asking: object, handle: Any, offset: int, data: Buffer) -> int:
        """
        Send a request to write, and wait for nothing.

        :param asking: gets the answer from :meth:`take_answer`, in its ``_async_response``
        :param handle: the open file's
        :param offset: where in the file
        :param data: at most :attr:`request_size` bytes
        :return: the number that the answer will carry
        """
        number: int = self._async_request(asking, CMD_WRITE, handle, int64(offset), data)  # type: ignore[attr-defined]
        return number

    def take_answer(self) -> None:
        """Wait for the site's next answer, and give it to whoever asked."""
        self._read_response()  # type: ignore[attr-defined]  # not in the type stubs, like the others

    def check_answer(self, kind: int, message: paramiko.Message) -> None:
        """
        Look at the answer to a request that has no result.

        :raises OSError: if the site says no
        """
        if kind != CMD_STATUS:
            raise paramiko.SFTPError("expected a status")
        self._convert_status(message)  # type: ignore[attr-defined]

    @contextmanager
    def prefetching(self, paths: Iterable[str], extended: Iterable[tuple[str, str]] = ()) -> Iterator[None]:
        """
        Ask what is under some paths, and more, all at once; whoever asks first in the block takes the answer.

        :param paths: those that are looked at in the block
        :param extended: questions for :meth:`extended`
        """
        with site_errors("cannot look at the site's files"):
            for path in paths:
                self._ask_ahead(path, CMD_STAT, self._adjust_cwd(path))  # type: ignore[attr-defined]
            for question in extended:
                self._ask_ahead(question, CMD_EXTENDED, *question)
        try:
            yield
        finally:
            self._ahead.clear()

    def stat(self, path: bytes | str) -> paramiko.SFTPAttributes:
        """Tell what is under a path."""
        if path not in self._ahead:
            return super().stat(path)
        kind, message = self._take_ahead(path)
        if kind != CMD_ATTRS:
            raise paramiko.SFTPError("expected attributes")
        found: paramiko.SFTPAttributes = paramiko.SFTPAttributes._from_msg(message)  # type: ignore[attr-defined]  # noqa: SLF001
        return found

    def extended(self, extension: str, *arguments: object) -> paramiko.Message:
        """Ask for something that the protocol leaves to extensions."""
        question = (extension, *arguments)
        if question in self._ahead:
            return self._take_ahead(question)[1]
        answer: paramiko.Message = self._request(CMD_EXTENDED, *question)[1]  # type: ignore[attr-defined]
        return answer

    def _ask_ahead(self, question: object, *request: object) -> None:
        self._ahead[question] = answer = _Answer()
        self._async_request(answer, *request)  # type: ignore[attr-defined]

    def _take_ahead(self, question: object) -> tuple[int, paramiko.Message]:
        answer = self._ahead.pop(question)
        while answer.message is None:
            self.take_answer()
        if answer.kind == CMD_STATUS:
            self._convert_status(answer.message)  # type: ignore[attr-defined]
        return answer.kind, answer.message

    @property
    def is_open(self) -> bool:
        """Whether it can be used, as far as this side knows."""
        return self._transport.is_active() and not self.sock.closed

    def close(self) -> None:
        """End the session and its connection; fine if they have ended."""
        close_transport(self._transport)


@dataclass
class _Answer:
    """The answer to a question, as soon as it is there."""

    kind: int = 0
    message: paramiko.Message | None = None

    def _async_response(self, kind: int, message: paramiko.Message, _number: int) -> None:
        self.kind, self.message = kind, message


def close_transport(transport: paramiko.Transport) -> None:
    # Without this a timer of paramiko's lives on.
    transport.packetizer.complete_handshake()
    # paramiko's thread looks ten times a second whether it is to end; that the connection has, it sees at once.
    with contextlib.suppress(OSError):
        transport.sock.shutdown(socket.SHUT_RDWR)
    transport.close()
    transport.sock.close()
    if transport.is_alive():
        transport.join(1)
