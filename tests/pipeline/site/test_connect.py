"""Connections to the site, against servers that are right, wrong, silent or gone."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from support.expect import WRONG, fails, nothing_left_behind, short_pauses  # noqa: F401 - fixtures
from support.sites.keys import private_text, public_line, ssh_key
from support.sites.proftpd import Proftpd
from support.sites.sftp_server import ACCOUNT, PASS_PHRASE, Door, Folder, SftpServer
from support.sites.sshd import Sshd
from support.stubs import answering, full_backlog

from persado.errors import ConfigurationError, RejectedError, TransientError
from persado.pipeline.site import connect as site_module
from persado.pipeline.site.connect import connect
from persado.pipeline.site.errors import site_errors
from persado.pipeline.site.keys import fingerprint, pinned_host_keys
from persado.pipeline.site.site import Site

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site" / "inbox").mkdir(parents=True)
    return tmp_path / "site"


def log_in(site: Site) -> None:
    with connect(site) as session:
        session.normalize(".")


# The host key


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521"])
def test_a_pinned_key_of_each_kind(kind: str, folder: Path) -> None:
    with SftpServer(folder, host_keys=[kind]) as server:
        log_in(server.site())


def test_a_wrong_key_is_named_with_the_right_one(folder: Path) -> None:
    other = public_line(ssh_key("ssh-ed25519", "another host"))
    with SftpServer(folder) as server:
        texts = [fingerprint(key) for line in (other, server.host_key) for key in pinned_host_keys(line, "")]
        with fails(RejectedError, "wrong host key: expected ssh-ed25519", *texts, f"{ACCOUNT}@127.0.0.1:{server.port}"):
            log_in(server.site(host_key=other))
        assert server.logins == []


def test_a_key_of_another_kind_than_the_pinned_one(folder: Path) -> None:
    other = public_line(ssh_key("ssh-rsa", "another host"))
    with (
        SftpServer(folder) as server,
        fails(RejectedError, "wrong host key: expected ssh-rsa SHA256:", "got ssh-ed25519 SHA256:"),
    ):
        log_in(server.site(host_key=other))


def test_an_unknown_key_gives_the_line_to_pin(folder: Path) -> None:
    with SftpServer(folder) as server:
        (key,) = pinned_host_keys(server.host_key, "")
        with fails(ConfigurationError, fingerprint(key), "no host key is pinned", f"host_key: {server.host_key}"):
            log_in(server.site(host_key=""))
        assert server.logins == []


@pytest.mark.parametrize("pinned", [0, 1, 2])
def test_one_pin_of_a_site_with_several_keys(pinned: int, folder: Path) -> None:
    with SftpServer(folder, host_keys=["ssh-ed25519", "ecdsa-sha2-nistp384", "ssh-rsa"]) as server:
        log_in(server.site(host_key=server.host_key.splitlines()[pinned]))


def test_a_pin_for_the_key_to_come(folder: Path) -> None:
    coming = public_line(ssh_key("ssh-ed25519", "rotated"))
    with SftpServer(folder) as server:
        for pins in (f"{server.host_key}\n{coming}", f"{coming}\n{server.host_key}", f"{coming}\\n{server.host_key}"):
            log_in(server.site(host_key=pins))


def test_known_hosts_lines(folder: Path, tmp_path: Path) -> None:
    with SftpServer(folder) as server:
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")
        log_in(server.site(host_key=known_hosts.read_text()))
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", known_hosts], check=True, capture_output=True)
        log_in(server.site(host_key=known_hosts.read_text()))
        with fails(ConfigurationError, f"expected a key of [127.0.0.1]:{server.port}, got keys of 127.0.0.1 only"):
            log_in(server.site(host_key=f"127.0.0.1 {server.host_key}"))


# The login


def test_one_right_pass_phrase_is_one_attempt(folder: Path) -> None:
    with SftpServer(folder) as server:
        log_in(server.site())
        assert server.logins == ["password"]


def test_one_wrong_pass_phrase_is_one_attempt(folder: Path) -> None:
    with SftpServer(folder) as server:
        with fails(RejectedError, f"{ACCOUNT}@127.0.0.1:{server.port}", "refused the login", "tried once"):
            log_in(server.site(password=WRONG))
        assert server.logins == ["password"]
        assert len(server.connections) == 1


class AskingDoor(Door):
    """Take no password, but ask for one: PAM behind keyboard-interactive."""

    def kbdint_auth_supported(self) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return False

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        self.server.logins.append("keyboard-interactive")
        return list(responses) == [PASS_PHRASE]


class AskingTwiceDoor(AskingDoor):
    """Ask again in the same conversation, as some PAM modules do."""

    def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        return super().validate_kbdint_response(username, responses) or ("", "", "", [("Try again: ", False)])


class BreakingDoor(Door):
    """Hang up at a wrong pass phrase."""

    def validate_password(self, username: str, password: str) -> bool:
        if super().validate_password(username, password):
            return True
        self.connection.abort()
        return False


class DisconnectingDoor(Door):
    """Say goodbye at a wrong pass phrase."""

    def validate_password(self, username: str, password: str) -> bool:
        if super().validate_password(username, password):
            return True
        raise asyncssh.PermissionDenied("too many attempts")


class ExpiredDoor(Door):
    """Ask for a new pass phrase."""

    def validate_password(self, username: str, password: str) -> bool:
        super().validate_password(username, password)
        raise asyncssh.PasswordChangeRequired("it has expired")


@pytest.mark.parametrize("door", [AskingDoor, AskingTwiceDoor, BreakingDoor, DisconnectingDoor])
def test_a_right_pass_phrase_at_each_kind_of_door(door: type[Door], folder: Path) -> None:
    with SftpServer(folder, door=door) as server:
        log_in(server.site())
        assert len(server.logins) == 1


@pytest.mark.parametrize("door", [AskingDoor, AskingTwiceDoor, BreakingDoor, DisconnectingDoor, ExpiredDoor])
def test_a_wrong_pass_phrase_is_one_attempt_at_each_kind_of_door(door: type[Door], folder: Path) -> None:
    with SftpServer(folder, door=door) as server:
        with fails(RejectedError, "will not be tried again by itself"):
            log_in(server.site(password=WRONG))
        assert len(server.logins) == 1
        assert len(server.connections) == 1


def test_a_connection_lost_at_the_login_is_no_wrong_pass_phrase_once_it_was_right(folder: Path) -> None:
    with SftpServer(folder, door=BreakingDoor) as server:
        with fails(TransientError, "cannot log in: the connection was lost"):
            site_module.open_session(server.site(password=WRONG), proven=True)
        assert len(server.logins) == 3


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"])
def test_private_keys(kind: str, folder: Path) -> None:
    key = ssh_key(kind, "client")
    with SftpServer(folder, known_keys=[public_line(key)]) as server:
        for text, passphrase in (
            (private_text(key), None),
            (private_text(key, "pkcs8-pem", "Geheim"), "Geheim"),
            (private_text(key).replace("\n", "\\n"), None),
        ):
            log_in(server.site(password=None, private_key=text, private_key_passphrase=passphrase))
        assert set(server.logins) == {"publickey"}


def test_a_wrong_private_key_is_one_attempt(folder: Path) -> None:
    key = ssh_key("ssh-ed25519", "stranger")
    (public,) = pinned_host_keys(public_line(key), "")
    with SftpServer(folder, known_keys=[public_line(ssh_key("ssh-ed25519", "client"))]) as server:
        with fails(RejectedError, "refused the login", f"private key {fingerprint(public)}"):
            log_in(server.site(private_key=private_text(key)))
        assert server.logins == ["publickey"]


def test_a_private_key_that_cannot_be_read_reaches_no_server(folder: Path) -> None:
    with SftpServer(folder) as server:
        with fails(ConfigurationError, "extra private_key: it is encrypted"):
            log_in(server.site(private_key=private_text(ssh_key(), "openssh", "Geheim")))
        assert server.connections == []


class KeyOnlyDoor(Door):
    """Take keys only."""

    def password_auth_supported(self) -> bool:
        return False


def test_a_pass_phrase_for_a_site_that_takes_none(folder: Path) -> None:
    with SftpServer(folder, door=KeyOnlyDoor, known_keys=[public_line(ssh_key())]) as server:
        with fails(RejectedError, "takes the login by publickey", "extra private_key"):
            log_in(server.site())
        assert server.logins == []


def test_a_site_that_takes_no_keys_gets_the_pass_phrase(folder: Path) -> None:
    with SftpServer(folder) as server:
        log_in(server.site(private_key=private_text(ssh_key())))
        assert server.logins == ["password"]


def test_a_key_for_a_site_that_takes_none(folder: Path) -> None:
    with SftpServer(folder) as server:
        with fails(RejectedError, "takes the login by keyboard-interactive, password, which", "Private key SHA256:"):
            log_in(server.site(private_key=private_text(ssh_key()), password=None))
        assert server.logins == []


def test_a_site_that_asks_for_both(folder: Path, tmp_path: Path) -> None:
    key = ssh_key("ecdsa-sha2-nistp256", "both")
    (tmp_path / "known").write_bytes(key.export_public_key("rfc4716"))
    options = (f"SFTPAuthorizedUserKeys file:{tmp_path / 'known'}", "SFTPAuthMethods publickey+password")
    with Proftpd(folder, tmp_path / "proftpd", *options) as server:
        log_in(server.site(private_key=private_text(key)))
        with fails(RejectedError, "the site takes the login by password, which this connection does not have"):
            log_in(server.site(private_key=private_text(key), password=None))
        with fails(RejectedError, "The pass phrase or the account is wrong; it was tried once"):
            log_in(server.site(private_key=private_text(key), password=WRONG))


def test_no_secret_at_all(folder: Path) -> None:
    with SftpServer(folder) as server:
        with fails(ConfigurationError, "neither a password (the pass phrase) nor the extra private_key"):
            log_in(server.site(password=None))
        assert server.connections == []


def test_openssh(folder: Path, tmp_path: Path) -> None:
    with Sshd(folder, tmp_path / "sshd") as server:
        with connect(server.site()) as session:
            assert session.listdir(server.remote()) == ["inbox"]
        with fails(RejectedError, "wrong host key: expected ssh-ed25519 SHA256:"):
            log_in(server.site(host_key=public_line(ssh_key("ssh-ed25519", "another host"))))
        with fails(RejectedError, "refused the login", "private key SHA256:"):
            log_in(server.site(private_key=private_text(ssh_key("ssh-ed25519", "stranger"))))
        assert server.log.read_text().count("Failed publickey") == 1
        with fails(RejectedError, "takes the login by publickey"):
            log_in(server.site(private_key=None, password=WRONG))
        assert "Failed password" not in server.log.read_text()


@pytest.mark.parametrize(
    "option", ["ForceCommand echo This account is for mail only.", "ForceCommand /bin/false", "MaxSessions 0"]
)
def test_openssh_without_sftp(option: str, folder: Path, tmp_path: Path) -> None:
    with (
        Sshd(folder, tmp_path / "sshd", option) as server,
        fails(RejectedError, "the login worked, but the site opens no SFTP session"),
    ):
        log_in(server.site())


# What lies around on the machine


def test_neither_agent_nor_home_is_used(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    key = ssh_key("ssh-ed25519", "client")
    (home / ".ssh" / "id_ed25519").write_text(private_text(key))
    monkeypatch.setenv("HOME", str(home))
    with SftpServer(folder, known_keys=[public_line(key)]) as server, agent_with(key, home, monkeypatch):
        known = f"[127.0.0.1]:{server.port} {server.host_key}\n"
        (home / ".ssh" / "known_hosts").write_text(known)
        with fails(ConfigurationError, "no host key is pinned"):
            log_in(server.site(host_key=""))
        with fails(RejectedError, "refused the login"):
            log_in(server.site(password=WRONG))
        assert server.logins == ["password"]


@contextmanager
def agent_with(key: asyncssh.SSHKey, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run an ssh-agent that holds the key."""
    path = home / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        while not path.exists():
            time.sleep(0.01)
        key_file = home / "key"
        key_file.touch(mode=0o600)
        key_file.write_text(private_text(key))
        subprocess.run(["ssh-add", "-q", key_file], check=True, capture_output=True)
        yield
    finally:
        agent.terminate()
        agent.wait(10)


def test_nothing_is_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with SftpServer(folder, door=BreakingDoor) as server, caplog.at_level(logging.DEBUG):
        log_in(server.site())
        with fails(RejectedError):
            log_in(server.site(password=WRONG))
    assert [record for record in caplog.records if not record.name.startswith("asyncssh")] == []


# Silence: each wait ends within its time-out


def quick(port: int, **fields: Any) -> Site:
    """Say how to reach a stub, with time-outs that are soon over."""
    return Site(
        **{
            "login": ACCOUNT,
            "password": PASS_PHRASE,
            "host": "127.0.0.1",
            "port": port,
            "host_key": public_line(ssh_key()),
            "connect_timeout": 0.4,
            "channel_timeout": 0.4,
            **fields,
        }
    )


def test_no_answer_to_the_connection() -> None:
    with full_backlog() as port, fails(TransientError, "cannot connect: the site did not answer within", within=10):
        log_in(quick(port))


BANNER = b"SSH-2.0-Slow\r\n"


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
    """Never decide."""

    async def validate_password(self, username: str, password: str) -> bool:
        super().validate_password(username, password)
        await asyncio.sleep(3600)
        return True


class StalledBeforeLogin(Door):
    """Never say which logins are taken."""

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
    """Open the SFTP subsystem and say nothing."""

    def subsystem_requested(self, subsystem: str) -> bool:
        return True


class SilentSubsystem(Door):
    """Open a session that says nothing."""

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
    """Never answer a question for a path."""

    async def realpath(self, path: bytes) -> bytes:
        await asyncio.sleep(3600)
        return path


def test_no_answer_to_a_request(folder: Path) -> None:
    with SftpServer(folder, files=StalledFolder) as server, pytest.raises(TimeoutError):
        log_in(server.site(channel_timeout=0.5))


# Gone or wrong


def test_a_refused_connection_is_tried_again(folder: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with fails(TransientError, "nothing answers there (connection refused)"):
            log_in(quick(unused.getsockname()[1]))


def test_a_site_that_comes_up_late(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "FIRST_PAUSE", 0.3)
    turned_away: list[socket.socket] = []

    def turn_away_twice(connection: socket.socket) -> None:
        """Behave as sshd does with more than MaxStartups logins under way."""
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
    """Pass bytes on, both ways, until one side ends."""
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

    with answering(hang_up) as (port, connections), fails(TransientError, "before it said that it is an SSH server"):
        log_in(quick(port, connect_timeout=3))
    assert len(connections) == 3


def test_a_server_that_hangs_up_at_the_keys() -> None:
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


def test_a_server_whose_key_signs_by_sha1_only(folder: Path, tmp_path: Path) -> None:
    key = tmp_path / "old"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", key], check=True)
    with (
        Sshd(folder, tmp_path / "sshd", "HostKeyAlgorithms ssh-rsa", f"HostKey {key}") as server,
        fails(ConfigurationError, "no acceptable host key", "SHA-1", "ask Persado to bring the site up to date"),
    ):
        log_in(server.site(host_key=key.with_suffix(".pub").read_text()))


def test_an_old_server_shares_no_algorithm(folder: Path) -> None:
    with (
        SftpServer(folder, kex_algs=["diffie-hellman-group1-sha1"]) as server,
        fails(ConfigurationError, "share no algorithm"),
    ):
        log_in(server.site())


def test_a_server_that_says_something_else_than_sftp(folder: Path) -> None:
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
        fails(RejectedError, "opens no SFTP session", "start-up files"),
    ):
        log_in(server.site())


def test_a_session_is_no_longer_open_when_the_site_hangs_up(folder: Path) -> None:
    with SftpServer(folder) as server, connect(server.site()) as session:
        assert session.open_still
        server.hang_up()
        with fails(TransientError, "the connection was lost"), site_errors("looking around"):
            session.normalize(".")
        session._transport.join(30)
        assert not session.open_still


def test_a_site_shows_no_secret() -> None:
    site = quick(22, private_key="PRIVATE", private_key_passphrase="GEHEIM")
    for secret in (PASS_PHRASE, "PRIVATE", "GEHEIM"):
        assert secret not in repr(site)
        assert secret not in str(site)
