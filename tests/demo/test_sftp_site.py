"""The stand-in for Persado's site, over the network, with paramiko as its client."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko
import pytest
from support.paths import REPO

from demo.layout import Layout
from demo.sftp_site import Site, known_hosts_file, pass_phrase_file, prepare_site, read_site


@contextmanager
def serving(layout: Layout) -> Iterator[Site]:
    prepare_site(layout)
    server = subprocess.Popen([sys.executable, "-m", "demo.sftp_site", "--root", layout.root], cwd=REPO)
    try:
        while (site := read_site(layout)) is None:
            assert server.poll() is None
            time.sleep(0.02)
        yield site
    finally:
        server.terminate()
        assert server.wait(60) == 0


@contextmanager
def connected(
    layout: Layout, site: Site, account: str | None = None, pass_phrase: str | None = None
) -> Iterator[paramiko.SSHClient]:
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(known_hosts_file(layout)))
        client.connect(
            site.host,
            site.port,
            account or site.account,
            pass_phrase or site.pass_phrase,
            look_for_keys=False,
            allow_agent=False,
        )
        yield client


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.make_folders()
    return layout


def log(layout: Layout) -> list[dict[str, Any]]:
    return [json.loads(line) for line in layout.site_log.read_text().splitlines()]


def test_files_can_be_written_renamed_listed_and_read(layout: Layout) -> None:
    with serving(layout) as site, connected(layout, site) as client, client.open_sftp() as sftp:
        sftp.mkdir("/in")
        with sftp.open("/in/.a.part", "wb") as file:
            file.write(b"x" * 100_000)
        with sftp.open("/in/a", "wb") as file:
            file.write(b"old")
        sftp.posix_rename("/in/.a.part", "/in/a")
        assert sftp.listdir("/in") == ["a"]
        assert sftp.stat("/in/a").st_size == 100_000
        with sftp.open("/in/a", "rb") as file:
            assert file.read() == b"x" * 100_000
    assert (layout.site / "in" / "a").stat().st_size == 100_000


def test_log_lists_operations_in_order(layout: Layout) -> None:
    with serving(layout) as site, connected(layout, site) as client, client.open_sftp() as sftp:
        with sftp.open("/.a", "wb") as file:
            file.write(b"abc")
        sftp.posix_rename("/.a", "/a")
        with pytest.raises(FileNotFoundError):
            sftp.remove("/none")
    events = [{key: value for key, value in event.items() if key != "time"} for event in log(layout)]
    assert events == [
        {"operation": "login", "path": "/"},
        {"operation": "open to write", "path": "/.a"},
        {"operation": "close", "path": "/.a", "size": 3},
        {"operation": "posix-rename", "path": "/.a", "to": "/a"},
        {"operation": "remove", "path": "/none", "error": "FileNotFoundError"},
    ]


@pytest.mark.parametrize(("account", "pass_phrase"), [("acme_amp", "wrong"), ("root", None), ("acme_amp", "ünïcödé")])
def test_wrong_logins_are_refused_and_logged(layout: Layout, account: str | None, pass_phrase: str | None) -> None:
    with serving(layout) as site, pytest.raises(paramiko.AuthenticationException):
        connected(layout, site, account, pass_phrase).__enter__()
    assert [(event["operation"], "error" in event) for event in log(layout)] == [("login", True)]
    assert pass_phrase_file(layout).read_text().strip() not in layout.site_log.read_text()


def test_clients_cannot_leave_the_folder(layout: Layout) -> None:
    (layout.demo / "secret").write_text("secret")
    with serving(layout) as site, connected(layout, site) as client, client.open_sftp() as sftp:
        with pytest.raises(FileNotFoundError):
            sftp.open("/../secret")
        with pytest.raises(PermissionError):
            sftp.symlink("../secret", "/link")
        with pytest.raises(paramiko.SSHException):
            client.exec_command("id")


def test_a_second_start_keeps_the_keys_and_empties_the_folder(layout: Layout) -> None:
    with serving(layout) as first, connected(layout, first) as client, client.open_sftp() as sftp:
        sftp.open("/a", "w").close()
    with serving(layout) as second:
        assert (second.host_key, second.pass_phrase) == (first.host_key, first.pass_phrase)
        assert not list(layout.site.iterdir())
    assert "pass_phrase" not in repr(second)
    assert pass_phrase_file(layout).stat().st_mode & 0o777 == 0o600
    assert layout.secrets.stat().st_mode & 0o777 == 0o700
