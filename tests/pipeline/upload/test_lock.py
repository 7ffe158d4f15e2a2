"""Two deliveries of one name, or two tries of one delivery: only one writes at a time."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from support.expect import fails
from support.sites.folder import contents
from support.sites.sending import DELIVERY, DONE, LARGE, NOISE, SMALL, Server, finish, send, temporary
from support.sites.sftp_server import Folder, SftpServer

from persado.errors import RejectedError, TransientError
from persado.pipeline.upload import lock as site_lock
from persado.pipeline.upload.lock_file import Holder
from persado.pipeline.upload.temporary_names import lock_path

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


@pytest.mark.parametrize("finished", [False, True])
def test_a_second_delivery_waits(finished: bool, server: Server, folder: Path) -> None:
    send(server, {"a.csv": LARGE}, done=DONE)
    second = threading.Thread(target=send, args=(server, {"a.csv": SMALL}), kwargs={"delivery_id": "f" * 16})
    second.start()
    try:
        second.join(0.7)
        assert second.is_alive()
        assert contents(folder / "inbox") == {"a.csv": LARGE}
        if finished:
            finish(server, {"a.csv": LARGE}, DONE)
        else:
            # The lock of a worker that was killed long ago.
            (lock,) = (folder / "inbox").glob(".persado-*.lock")
            os.utime(lock, (time.time() - 1000,) * 2)
    finally:
        second.join()
    assert contents(folder / "inbox", locks=True) == {"a.csv": SMALL} | ({DONE: b""} if finished else {})


def test_a_second_delivery_fails_with_if_busy_fail(server: Server, folder: Path) -> None:
    send(server, {"a.csv": LARGE}, done=DONE)
    with fails(RejectedError, f"delivery {DELIVERY} is writing the same names", "if_busy: wait"):
        send(server, {"a.csv": SMALL}, delivery_id="f" * 16, if_busy="fail")
    send(server, {"b.csv": SMALL}, delivery_id="f" * 16, if_busy="fail")
    finish(server, {"a.csv": LARGE}, DONE)
    assert contents(folder / "inbox", locks=True) == {"a.csv": LARGE, "b.csv": SMALL, DONE: b""}


def test_a_delivery_that_was_replaced_gets_no_done(server: Server, folder: Path) -> None:
    send(server, {"a.csv": LARGE}, done=DONE)
    (lock,) = (folder / "inbox").glob(".persado-*.lock")
    os.utime(lock, (time.time() - 1000,) * 2)
    other = LARGE[::-1]
    send(server, {"a.csv": other}, delivery_id="f" * 16, done=DONE)
    finish(server, {"a.csv": other}, DONE, delivery_id="f" * 16)
    with fails(RejectedError, "is not what this delivery sent"):
        finish(server, {"a.csv": LARGE}, DONE)


def test_a_try_stops_when_the_next_one_has_begun(server: Server, folder: Path) -> None:
    counts: list[int] = []

    def overtake(count: int) -> None:
        if not counts:
            counts.append(count)
            send(server, {"a.csv": LARGE}, done=DONE)

    with fails(TransientError):
        send(server, {"a.csv": LARGE}, done=DONE, on_bytes=overtake)
    finish(server, {"a.csv": LARGE}, DONE)
    assert contents(folder / "inbox", locks=True) == {"a.csv": LARGE, DONE: b""}


def test_an_empty_lock_expires_soon(server: Server, folder: Path) -> None:
    lock = folder / "inbox" / Path(lock_path(server.remote("inbox/a.csv"))).name
    lock.touch()
    send(server, {"a.csv": SMALL})
    assert contents(folder / "inbox", locks=True) == {"a.csv": SMALL}


def test_a_stale_lock_expires_even_if_its_time_is_in_the_future(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site's clock was set back, and nobody refreshes the lock."""
    monkeypatch.setattr(site_lock, "STALE", 1.0)
    lock = folder / lock_path("/inbox/a.csv").lstrip("/")
    lock.write_bytes(Holder("f" * 16, "f" * 16).serialize())
    os.utime(lock, (time.time() + 1e6, time.time() + 1e6))
    with SftpServer(folder) as server:
        send(server, {"a.csv": SMALL})
    assert contents(folder / "inbox", locks=True) == {"a.csv": SMALL}


def test_a_try_that_reconnects_after_the_next_one_has_begun_touches_nothing(folder: Path) -> None:
    begun = folder / temporary("/inbox/a.csv", 1, NOISE).lstrip("/")

    class Overtaking(Folder):
        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            if offset > 1_000_000 and not self.is_lock(file_obj):
                lock = folder / lock_path("/inbox/a.csv").lstrip("/")
                lock.write_bytes(Holder(DELIVERY, "f" * 16).serialize())
                begun.unlink()
                begun.write_bytes(b"the next try's")
                self.connection.abort()
                raise asyncssh.SFTPConnectionLost("gone")
            return super().write(file_obj, offset, data)

    with SftpServer(folder, files=Overtaking) as server:
        with fails(TransientError, "another try of this delivery has begun to write the same names"):
            send(server, {"a.csv": NOISE})
        assert len(server.logins) == 2
    assert begun.read_bytes() == b"the next try's"
