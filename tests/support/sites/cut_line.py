"""A proxy whose connections break after some bytes."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from support.stubs import answering


@contextmanager
def cut_line(port: int, after: int, times: int | None = None) -> Iterator[int]:
    """
    Yield the port of a proxy whose connections break after some bytes to the site.

    :param port: the site's port
    :param after: how many bytes
    :param times: how many connections break; None for all
    """
    lines: list[_Line] = []

    def serve(client: socket.socket) -> None:
        breaks = times is None or len(lines) < times
        lines.append(_Line(client, port, after if breaks else sys.maxsize))

    with answering(serve) as (proxy, _):
        yield proxy
        for line in lines:
            line.cut()
    for line in lines:
        line.end()


class _Line:
    def __init__(self, client: socket.socket, port: int, after: int) -> None:
        self._client, self._site = client, socket.create_connection(("127.0.0.1", port))
        self._threads = [threading.Thread(target=self._up, args=(after,)), threading.Thread(target=self._down)]
        for thread in self._threads:
            thread.start()

    def cut(self) -> None:
        for end in (self._client, self._site):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        for thread in self._threads:
            thread.join(60)
        self._site.close()

    def _up(self, after: int) -> None:
        passed = 0
        with suppress(OSError):
            while passed < after and (data := self._client.recv(65536)):
                self._site.sendall(data)
                passed += len(data)
        self.cut()

    def _down(self) -> None:
        with suppress(OSError):
            while data := self._site.recv(65536):
                self._client.sendall(data)
        self.cut()
