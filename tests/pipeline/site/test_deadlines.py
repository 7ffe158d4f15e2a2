"""A silent site: every wait ends within its time-out."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from support.expect import fails
from support.sites.logins import BANNER, log_in, quick
from support.sites.sftp_server import Door, Folder, SftpServer
from support.stubs import answering, full_backlog

from persado.errors import TransientError

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


def test_no_answer_to_the_connection() -> None:
    with full_backlog() as port, fails(TransientError, "cannot connect: the site did not answer within", within=10):
        log_in(quick(port))


@pytest.mark.parametrize("said", [b"", b"Welcome\r\n", BANNER, BANNER + b"\0\0\1"])
def test_no_banner_and_no_keys(said: bytes) -> None:
    with (
        answering(lambda connection: connection.sendall(said)) as (port, connections),
        fails(TransientError, "cannot connect: the site did not answer within the time-out", within=10),
    ):
        log_in(quick(port))
    assert len(connections) == 1


def test_a_banner_that_drips() -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        def run() -> None:
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"x\r\n")
                except OSError:
                    return

        threading.Thread(target=run).start()

    try:
        with answering(drip) as (port, _), fails(TransientError, "did not answer within the time-out", within=10):
            log_in(quick(port))
    finally:
        stop.set()


class StalledDoor(Door):
    """Never answer the login."""

    async def validate_password(self, username: str, password: str) -> bool:
        super().validate_password(username, password)
        await asyncio.sleep(3600)
        return True


class StalledBeforeLogin(Door):
    """Never report the accepted login methods."""

    async def begin_auth(self, username: str) -> bool:  # type: ignore[override]  # asyncssh awaits it
        await asyncio.sleep(3600)
        return True


@pytest.mark.parametrize("door", [StalledDoor, StalledBeforeLogin])
def test_no_answer_to_the_login(door: type[Door], folder: Path) -> None:
    with SftpServer(folder, door=door) as server:
        with fails(TransientError, "cannot log in: the site did not answer within the time-out", within=10):
            log_in(server.site(connect_timeout=0.6))
        assert len(server.connections) == 1


class SilentSession(asyncssh.SSHServerSession[bytes]):
    """Open the SFTP subsystem and send nothing."""

    def subsystem_requested(self, subsystem: str) -> bool:
        return True


class SilentSubsystem(Door):
    """Open a session that sends nothing."""

    def session_requested(self) -> Any:
        return SilentSession()


class StalledChannel(Door):
    """Never open the session."""

    async def session_requested(self) -> Any:
        await asyncio.sleep(3600)


@pytest.mark.parametrize("door", [SilentSubsystem, StalledChannel])
def test_no_answer_to_the_sftp_session(door: type[Door], folder: Path) -> None:
    with SftpServer(folder, files=None, door=door) as server:
        with fails(TransientError, "no SFTP session: the site did not answer within the time-out", within=10):
            log_in(server.site(channel_timeout=0.5))
        assert len(server.connections) == 1


class StalledFolder(Folder):
    """Never answer a query for a path."""

    async def realpath(self, path: bytes) -> bytes:
        await asyncio.sleep(3600)
        return path


def test_no_answer_to_a_request(folder: Path) -> None:
    with SftpServer(folder, files=StalledFolder) as server, pytest.raises(TimeoutError):
        log_in(server.site(channel_timeout=0.5))
