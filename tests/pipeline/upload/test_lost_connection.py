"""Connections that break or fall silent at any step: the upload continues, or reports why not."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.expect import fails
from support.sites.faulty import faulty, hang_up, hang_up_before
from support.sites.folder import contents
from support.sites.sending import DELIVERY, NOISE, SMALL, digest, send
from support.sites.sftp_server import Folder, SftpServer
from support.stubs import answering

from persado.errors import RejectedError, TransientError
from persado.pipeline.site import reconnect
from persado.pipeline.site.connect import connect
from persado.pipeline.site.reconnect import ATTEMPTS
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.staged import Upload, upload

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


def test_upload_refuses_a_host_key_that_changed_between_two_tries(folder: Path) -> None:
    with (
        SftpServer(folder, files=faulty("write", hang_up_before, range(50, 1000))) as server,
        fails(TransientError, "the connection was lost"),
    ):
        send(server, {"a.csv": NOISE})
    left = contents(folder)
    with SftpServer(folder, host_keys=["ecdsa-sha2-nistp256"]) as impostor:
        with fails(
            RejectedError, "wrong host key: expected ssh-ed25519", "got ecdsa-sha2-nistp256", "Nothing was sent"
        ):
            send(impostor, {"a.csv": NOISE}, site={"host_key": server.host_key})
        assert impostor.logins == []
    assert contents(folder) == left


@pytest.mark.parametrize("silent", [False, True])
def test_upload_survives_a_site_that_fails_at_the_free_space_query(silent: bool, folder: Path) -> None:
    class Touchy(Folder):
        async def statvfs(self, path: bytes) -> Any:
            if silent:
                await asyncio.sleep(60)
            self.connection.abort()

    with SftpServer(folder, files=Touchy) as server:
        send(server, {"a.csv": SMALL}, site={"channel_timeout": 1.0})
        assert len(server.logins) == 2
    assert contents(folder / "inbox") == {"a.csv": SMALL}


def test_upload_fails_when_it_reconnects_to_another_server(folder: Path, tmp_path: Path) -> None:
    """What arrived on one server is missing on the other."""
    (other := tmp_path / "other" / "inbox").mkdir(parents=True)

    class Moving(Folder):
        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            if offset > 1_000_000 and self.server.folder == folder:
                self.server.folder = other.parent
                self.connection.abort()
            return super().write(file_obj, offset, data)

    (other / "a.csv.DONE").write_bytes(b"stale")
    with SftpServer(folder, files=Moving) as server, fails(TransientError, "disappeared from the site before it was"):
        send(server, {"b.csv": SMALL, "a.csv": NOISE}, done="a.csv.DONE")
    assert "b.csv" not in contents(folder / "inbox")
    assert contents(other, locks=True) == {}


STEPS = [
    *(("stat", count) for count in range(1, 9)),
    ("mkdir", 1),
    ("create", 1),
    ("create", 2),
    ("write", 1),
    ("write", 50),
    ("write", 92),
    ("written", 1),
    ("written", 2),
    ("remove", 1),
    ("posix_rename", 1),
    ("posix_rename", 2),
]
FILES = {"a.csv": NOISE, "sub/b.csv": SMALL}


@pytest.mark.parametrize("fault", [hang_up, hang_up_before])
@pytest.mark.parametrize(("operation", "count"), STEPS)
def test_upload_continues_after_one_broken_connection(
    operation: str, count: int, fault: Callable[[Folder], Any], folder: Path
) -> None:
    (folder / "inbox" / "a.csv.DONE").write_bytes(b"stale")
    with SftpServer(folder, files=faulty(operation, fault, {count})) as server:
        send(server, FILES, done="a.csv.DONE")
        assert len(server.logins) == 2
    assert contents(folder / "inbox") == FILES


@pytest.mark.parametrize(("operation", "count"), [step for step in STEPS if step[0] != "written"])
def test_upload_fails_when_every_connection_breaks(operation: str, count: int, folder: Path) -> None:
    files = faulty(operation, hang_up_before, range(count, 1000))
    (folder / "inbox" / "a.csv.DONE").write_bytes(b"stale")
    with SftpServer(folder, files=files) as server:
        with fails(TransientError, "the connection was lost"):
            send(server, FILES, done="a.csv.DONE")
        assert ATTEMPTS <= len(server.logins) <= ATTEMPTS + 4
        check_after_fault(folder)
    with SftpServer(folder) as server:
        send(server, FILES, done="a.csv.DONE")
    assert contents(folder / "inbox") == FILES


def check_after_fault(folder: Path) -> None:
    """Check that every file under a final name is whole, and that there is no early .DONE."""
    files = contents(folder / "inbox")
    renamed = [name for name in FILES if name in files]
    for name in renamed:
        assert files[name] == FILES[name]
    assert not renamed or "a.csv.DONE" not in files


@pytest.mark.parametrize(("operation", "count"), STEPS[::2])
def test_upload_continues_after_one_time_out(operation: str, count: int, folder: Path) -> None:
    released = threading.Event()
    files = faulty(operation, lambda served: released.wait(0.7), {count})
    with SftpServer(folder, files=files) as server:
        send(server, FILES, done="a.csv.DONE", site={"channel_timeout": 0.3, "connect_timeout": 5.0})
    assert contents(folder / "inbox") == FILES


def test_upload_fails_when_the_site_stays_silent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "ATTEMPTS", 2)
    released = threading.Event()
    with SftpServer(folder, files=faulty("write", lambda served: released.wait(30), {50})) as server:
        with fails(TransientError, "the site did not answer within the time-out", within=20):
            send(server, FILES, done="a.csv.DONE", site={"channel_timeout": 0.5, "connect_timeout": 0.5})
        released.set()
        check_after_fault(folder)


def test_upload_fails_quickly_when_the_site_cannot_be_reached(folder: Path) -> None:
    with SftpServer(folder) as server:
        site = server.site()
    with fails(TransientError, "the connection was refused", within=10):
        file = Upload("/inbox/a.csv", 0, digest(b""), io.BytesIO)
        upload(partial(connect, site), [file], UploadPlan(delivery_id=DELIVERY, remote_folder="/inbox"))


def test_a_pause_logs_its_reason(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with SftpServer(folder, files=faulty("write", hang_up_before, {50})) as server:
        send(server, {"a.csv": NOISE})
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("persado")]
    assert line.startswith("the upload of /inbox/a.csv failed: the connection was lost")
    assert line.endswith("seconds from what has arrived")


@contextmanager
def clogging(port: int, after: int) -> Iterator[int]:
    """Yield the port of a proxy that stops reading after some bytes to the site, and closes nothing."""
    pumps: list[threading.Thread] = []
    sites: list[socket.socket] = []

    def serve(client: socket.socket) -> None:
        site = socket.create_connection(("127.0.0.1", port))
        sites.append(site)

        def up() -> None:
            passed = 0
            with suppress(OSError):
                while passed < after and (data := client.recv(4096)):
                    site.sendall(data)
                    passed += len(data)

        def down() -> None:
            with suppress(OSError):
                while data := site.recv(4096):
                    client.sendall(data)

        for pump in (up, down):
            pumps.append(threading.Thread(target=pump))
            pumps[-1].start()

    with answering(serve, receive_buffer=4096) as (proxy, _):
        yield proxy
        for site in sites:
            site.shutdown(socket.SHUT_RDWR)
    for pump in pumps:
        pump.join(60)
    for site in sites:
        site.close()


def test_upload_fails_when_the_network_accepts_no_more_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SftpServer(folder) as server, clogging(server.port, 200_000) as proxy:
        monkeypatch.setattr(reconnect, "ATTEMPTS", 1)
        site = {"port": proxy, "channel_timeout": 0.5}
        with fails(TransientError, "the upload of /inbox/a.csv failed", within=20):
            send(server, {"a.csv": NOISE}, site=site)
    check_after_fault(folder)
