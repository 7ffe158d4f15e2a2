"""Nothing is sent, not even a login, unless the site's host key is pinned."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.expect import fails
from support.sites.keys import public_line, ssh_key
from support.sites.logins import log_in
from support.sites.sftp_server import ACCOUNT, SftpServer
from support.sites.sshd import Sshd

from persado.errors import ConfigurationError, RejectedError
from persado.pipeline.site.keys import fingerprint, pinned_host_keys

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521"])
def test_a_pinned_key_of_each_kind(kind: str, folder: Path) -> None:
    with SftpServer(folder, host_keys=[kind]) as server:
        log_in(server.site())


def test_a_wrong_key_is_reported_with_the_expected_one(folder: Path) -> None:
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


def test_an_unknown_key_is_reported_with_the_line_to_pin(folder: Path) -> None:
    with SftpServer(folder) as server:
        (key,) = pinned_host_keys(server.host_key, "")
        with fails(ConfigurationError, fingerprint(key), "no host key is pinned", f"host_key: {server.host_key}"):
            log_in(server.site(host_key=""))
        assert server.logins == []


@pytest.mark.parametrize("pinned", [0, 1, 2])
def test_one_pin_of_a_site_with_several_keys(pinned: int, folder: Path) -> None:
    with SftpServer(folder, host_keys=["ssh-ed25519", "ecdsa-sha2-nistp384", "ssh-rsa"]) as server:
        log_in(server.site(host_key=server.host_key.splitlines()[pinned]))


def test_a_pin_for_a_future_key(folder: Path) -> None:
    future = public_line(ssh_key("ssh-ed25519", "rotated"))
    with SftpServer(folder) as server:
        for pins in (f"{server.host_key}\n{future}", f"{future}\n{server.host_key}", f"{future}\\n{server.host_key}"):
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


def test_a_server_whose_key_signs_by_sha1_only(folder: Path, tmp_path: Path) -> None:
    key = tmp_path / "old"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", key], check=True)
    with (
        Sshd(folder, tmp_path / "sshd", "HostKeyAlgorithms ssh-rsa", f"HostKey {key}") as server,
        fails(ConfigurationError, "no acceptable host key", "SHA-1", "Ask Persado to update the site"),
    ):
        log_in(server.site(host_key=key.with_suffix(".pub").read_text()))
