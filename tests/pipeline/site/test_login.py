"""The login: one attempt per secret with every kind of server, without agent or home directory."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from support.expect import WRONG, fails
from support.sites.keys import private_text, public_line, ssh_key
from support.sites.logins import BreakingDoor, log_in
from support.sites.proftpd import Proftpd
from support.sites.sftp_server import ACCOUNT, PASS_PHRASE, Door, SftpServer
from support.sites.sshd import Sshd

from persado.errors import ConfigurationError, RejectedError, TransientError
from persado.pipeline.site import connect as site_module
from persado.pipeline.site.connect import connect
from persado.pipeline.site.keys import fingerprint, pinned_host_keys

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


def test_a_right_pass_phrase_is_one_attempt(folder: Path) -> None:
    with SftpServer(folder) as server:
        log_in(server.site())
        assert server.logins == ["password"]


def test_a_wrong_pass_phrase_is_one_attempt(folder: Path) -> None:
    with SftpServer(folder) as server:
        with fails(RejectedError, f"{ACCOUNT}@127.0.0.1:{server.port}", "refused the login", "tried once"):
            log_in(server.site(password=WRONG))
        assert server.logins == ["password"]
        assert len(server.connections) == 1


class AskingDoor(Door):
    """Accept no password, but prompt for it by keyboard-interactive, as PAM does."""

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
    """Prompt again in the same conversation, as some PAM modules do."""

    def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        return super().validate_kbdint_response(username, responses) or ("", "", "", [("Try again: ", False)])


class DisconnectingDoor(Door):
    """Disconnect after a wrong pass phrase."""

    def validate_password(self, username: str, password: str) -> bool:
        if super().validate_password(username, password):
            return True
        raise asyncssh.PermissionDenied("too many attempts")


class ExpiredDoor(Door):
    """Require a new pass phrase."""

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
        with fails(RejectedError, "It was tried once and is not retried"):
            log_in(server.site(password=WRONG))
        assert len(server.logins) == 1
        assert len(server.connections) == 1


def test_a_connection_lost_at_the_login_with_proven_credentials_is_transient(folder: Path) -> None:
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
    """Accept keys only."""

    def password_auth_supported(self) -> bool:
        return False


def test_a_pass_phrase_for_a_site_that_accepts_none(folder: Path) -> None:
    with SftpServer(folder, door=KeyOnlyDoor, known_keys=[public_line(ssh_key())]) as server:
        with fails(RejectedError, "requires a login by publickey", "extra private_key"):
            log_in(server.site())
        assert server.logins == []


def test_a_site_that_accepts_no_keys_gets_the_pass_phrase(folder: Path) -> None:
    with SftpServer(folder) as server:
        log_in(server.site(private_key=private_text(ssh_key())))
        assert server.logins == ["password"]


def test_a_key_for_a_site_that_accepts_none(folder: Path) -> None:
    with SftpServer(folder) as server:
        with fails(RejectedError, "requires a login by keyboard-interactive, password, which", "Private key SHA256:"):
            log_in(server.site(private_key=private_text(ssh_key()), password=None))
        assert server.logins == []


def test_a_site_that_requires_both(folder: Path, tmp_path: Path) -> None:
    key = ssh_key("ecdsa-sha2-nistp256", "both")
    (tmp_path / "known").write_bytes(key.export_public_key("rfc4716"))
    options = (f"SFTPAuthorizedUserKeys file:{tmp_path / 'known'}", "SFTPAuthMethods publickey+password")
    with Proftpd(folder, tmp_path / "proftpd", *options) as server:
        log_in(server.site(private_key=private_text(key)))
        with fails(RejectedError, "the site requires a login by password, which this connection does not have"):
            log_in(server.site(private_key=private_text(key), password=None))
        with fails(RejectedError, "refused the login with this account and pass phrase. It was tried once"):
            log_in(server.site(private_key=private_text(key), password=WRONG))


def test_a_connection_without_any_secret(folder: Path) -> None:
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
        with fails(RejectedError, "requires a login by publickey"):
            log_in(server.site(private_key=None, password=WRONG))
        assert "Failed password" not in server.log.read_text()


# Agent and home directory


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
