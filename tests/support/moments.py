"""The moments of a delivery at which a fault may occur, measured in the bytes sent before."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import asyncssh

from support.chain import Chain
from support.sites.proxy import Line, Lines, Proxy, once
from support.sites.sftp_server import Door, Folder, SftpServer


class Moment(NamedTuple):
    """
    A position in the bytes of a delivery.

    :param what: what happens there
    :param connection: the number of the connection
    :param way: the direction
    :param bytes: the number of bytes sent before in that direction on this connection
    """

    what: str
    connection: int
    way: Literal["up", "down"]
    bytes: int

    def line(self, **fields: Any) -> Line:
        """Return a line that ends there."""
        up, down = (self.bytes, None) if self.way == "up" else (None, self.bytes)
        return Line(up, down, **fields)

    def once(self, **fields: Any) -> Lines:
        """Return lines of which only this connection ends there."""
        return once(self.line(**fields), self.connection)


def measure(
    server: Callable[..., SftpServer], deliver: Callable[[SftpServer, Proxy], Chain], *, anywhere: int = 3
) -> list[Moment]:
    """
    Deliver once over a good line; return the moments before each step (after all earlier answers) and after it.

    :param server: creates the server from the recording classes
    :param deliver: creates the delivery from server and proxy
    :param anywhere: the number of additional random moments of each connection
    """
    marks: list[tuple[str, int, int, int]] = []

    class RecordingDoor(Door):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            super().connection_made(conn)
            mark("connection")

        def begin_auth(self, username: str) -> bool:
            mark("login")
            return super().begin_auth(username)

        def validate_password(self, username: str, password: str) -> Any:
            mark("pass phrase")
            return super().validate_password(username, password)

    class RecordingFolder(Folder):
        def __init__(self, chan: Any) -> None:
            super().__init__(chan)
            mark("session")

        def record(self, name: str, path: bytes, to: bytes | None = None) -> None:
            super().record(name, path, to)
            mark(f"{name} {path.decode()}")

    def mark(what: str) -> None:
        passed = proxy.connections[-1]
        marks.append((what, len(proxy.connections), passed.up, passed.down))

    with server(files=RecordingFolder, door=RecordingDoor) as started, Proxy(started.port) as proxy:
        deliver(started, proxy).run()
        totals = list(proxy.connections)
    # The moment before a request is the moment after the previous answer.
    changes = [mark for mark in marks if not mark[0].startswith(("stat", "read", "list"))]
    found = [Moment(f"before {what}", number, "down", down) for what, number, _, down in changes]
    found += [Moment(f"after {what}", number, "up", up) for what, number, up, _ in marks]
    draw = random.Random(len(found))
    for number, passed in enumerate(totals, 1):
        login = next(moment for moment in found if moment.what == "before login" and moment.connection == number)
        found.append(Moment("in the key exchange", number, "down", draw.randrange(login.bytes)))
        found.append(Moment("in the key exchange", number, "up", draw.randrange(10, 1500)))
        found += [Moment("anywhere", number, "up", draw.randrange(passed.up)) for _ in range(anywhere)]
        found.append(Moment("after the last answer", number, "down", passed.down))
    return list({moment[1:]: moment for moment in found}.values())
