"""Connections to servers that are down, overloaded or outdated, or do not speak SFTP."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from support.expect import fails
from support.sites.logins import BANNER, log_in, quick
from support.sites.sftp_server import ACCOUNT, PASS_PHRASE, Door, SftpServer
from support.sites.sshd import Sshd
from support.stubs import answering

from persado.errors import ConfigurationError, RejectedError, TransientError
from persado.pipeline.site import connect as site_module
from persado.pipeline.site.connect import connect
from persado.pipeline.site.errors import site_errors

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


@pytest.mark.parametrize(
    "option", ["ForceCommand echo This account is for mail only.", "ForceCommand /bin/false", "MaxSessions 0"]
)
def test_openssh_without_sftp(option: str, folder: Path, tmp_path: Path) -> None:
    with (
        Sshd(folder, tmp_path / "sshd", option) as server,
        fails(RejectedError, "the login worked, but the site did not open an SFTP session"),
    ):
        log_in(server.site())


def test_a_refused_connection(folder: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with fails(TransientError, "the connection was refused"):
            log_in(quick(unused.getsockname()[1]))


def test_a_connection_that_is_dropped_before_the_login_is_retried(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_module, "FIRST_PAUSE", 0.3)
    turned_away: list[socket.socket] = []

    def turn_away_twice(connection: socket.socket) -> None:
        """Behave like sshd with more pending logins than MaxStartups."""
        if len(connections) <= 2:
            connection.sendall(b"Exceeded MaxStartups\r\n")
            connection.close()
            turned_away.append(connection)
        else:
            tunnel(connection, server.port)

    with SftpServer(folder) as server, answering(turn_away_twice) as (port, connections):
        log_in(server.site(port=port, host_key=server.host_key))
    assert len(turned_away) == 2


def tunnel(client: socket.socket, port: int) -> None:
    """Forward bytes in both directions until one side ends."""
    site = socket.create_connection(("127.0.0.1", port))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    end.close()
            if sink is site:
                site.close()

    for ends in ((client, site), (site, client)):
        threading.Thread(target=pump, args=ends).start()


@pytest.mark.parametrize("said", [b"", b"Exceeded MaxStartups\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_that_hangs_up_at_once(said: bytes) -> None:
    def hang_up(connection: socket.socket) -> None:
        connection.sendall(said)
        connection.close()

    with (
        answering(hang_up) as (port, connections),
        fails(TransientError, "the connection was closed before an SSH banner arrived"),
    ):
        log_in(quick(port, connect_timeout=3))
    assert len(connections) == 3


def test_a_server_that_hangs_up_during_the_key_exchange() -> None:
    def hang_up(connection: socket.socket) -> None:
        connection.sendall(BANNER)
        connection.recv(4096)
        connection.shutdown(socket.SHUT_RDWR)

    with answering(hang_up) as (port, _), fails(TransientError, "the connection was lost"):
        log_in(quick(port, connect_timeout=3))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".example", "..", "white space"])
def test_unknown_hosts(host: str) -> None:
    with fails((ConfigurationError, TransientError), f"{ACCOUNT}@{host}:22"):
        log_in(quick(22, host=host))


def test_an_old_server_shares_no_algorithm(folder: Path) -> None:
    with (
        SftpServer(folder, kex_algs=["diffie-hellman-group1-sha1"]) as server,
        fails(ConfigurationError, "share no algorithm"),
    ):
        log_in(server.site())


def test_a_server_that_does_not_speak_sftp(folder: Path) -> None:
    class Chatty(asyncssh.SSHServerSession[bytes]):
        def connection_made(self, chan: Any) -> None:
            self.channel = chan

        def subsystem_requested(self, subsystem: str) -> bool:
            return True

        def session_started(self) -> None:
            self.channel.write("Good morning!\n" * 10)

    class ChattyDoor(Door):
        def session_requested(self) -> Any:
            return Chatty()

    with (
        SftpServer(folder, files=None, door=ChattyDoor) as server,
        fails(RejectedError, "did not open an SFTP session", "start-up files"),
    ):
        log_in(server.site())


def test_a_session_is_no_longer_open_when_the_site_hangs_up(folder: Path) -> None:
    with SftpServer(folder) as server, connect(server.site()) as session:
        assert session.is_open
        server.hang_up()
        with fails(TransientError, "the connection was lost"), site_errors("looking around"):
            session.normalize(".")
        session._transport.join(30)
        assert not session.is_open


def test_a_site_shows_no_secret() -> None:
    site = quick(22, private_key="PRIVATE", private_key_passphrase="GEHEIM")
    for secret in (PASS_PHRASE, "PRIVATE", "GEHEIM"):
        assert secret not in repr(site)
        assert secret not in str(site)
