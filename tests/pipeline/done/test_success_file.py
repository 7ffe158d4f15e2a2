"""The .DONE file is written last, after a check of every file."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from support.expect import fails, nothing_left_behind, short_pauses  # noqa: F401 - fixtures
from support.sites.sftp_server import Folder, Operation, SftpServer
from support.sites.sshd import Sshd

from persado.errors import RejectedError, TransientError
from persado.pipeline.done.success_file import write_success_file
from persado.pipeline.site.connect import connect
from persado.pipeline.stage.receipt import DeliveredFile
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.staged import temporary_path
from persado.pipeline.upload.temporary_names import lock_path

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")

DELIVERY = "0123456789abcdef"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    inbox = tmp_path / "site" / "inbox"
    inbox.mkdir(parents=True)
    for name, size in {"a.csv": 3, "b.csv": 0}.items():
        (inbox / name).write_bytes(b"x" * size)
    return inbox


def write(server: SftpServer | Sshd, sizes: dict[str, int], done: str = "a.csv.DONE") -> None:
    files = [delivered(server.remote(f"inbox/{name}"), b"x" * size) for name, size in sizes.items()]
    plan = UploadPlan(
        delivery_id=DELIVERY, remote_folder=server.remote("inbox"), done_path=server.remote(f"inbox/{done}")
    )
    write_success_file(partial(connect, server.site()), files, plan)


def delivered(path: str, content: bytes) -> DeliveredFile:
    sha256 = hashlib.sha256(content).hexdigest()
    return DeliveredFile(name=path, remote_path=path, rows=1, bytes=len(content), sha256=sha256)


def names(folder: Path) -> set[str]:
    """Return the names in a folder, without the lock, by which a retry recognizes its own files."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_done_is_written_last(inbox: Path) -> None:
    hidden, lock = temporary_path("/inbox/a.csv.DONE", DELIVERY, 0), lock_path("/inbox/a.csv")
    with SftpServer(inbox.parent) as server:
        write(server, {"a.csv": 3, "b.csv": 0})
        assert server.changes() == [
            Operation("create", lock),
            Operation("written", lock),
            Operation("create", hidden),
            Operation("written", hidden),
            Operation("update", lock),
            Operation("written", lock),
            Operation("posix_rename", hidden, "/inbox/a.csv.DONE"),
            Operation("remove", lock),
        ]
        created = server.operations.index(Operation("create", hidden))
        for path in ("/inbox/a.csv", "/inbox/b.csv"):
            assert Operation("stat", path) in server.operations[:created]
        renamed = server.operations.index(Operation("posix_rename", hidden, "/inbox/a.csv.DONE"))
        assert Operation("stat", hidden) in server.operations[created:renamed]
    assert (inbox / "a.csv.DONE").read_bytes() == b""


@pytest.mark.parametrize("name", ["a.csv.DONE", "From ACME ü.DONE", "x" * 250 + ".DONE"])
def test_done_on_openssh(name: str, inbox: Path, tmp_path: Path) -> None:
    with Sshd(inbox.parent, tmp_path / "sshd") as server:
        for _ in range(2):  # a second time it replaces the first
            write(server, {"a.csv": 3}, name)
            assert names(inbox) == {"a.csv", "b.csv", name}


@pytest.mark.parametrize("size", [2, 4])
def test_no_done_for_a_file_of_another_size(size: int, inbox: Path) -> None:
    with SftpServer(inbox.parent) as server, fails(RejectedError, f"/inbox/a.csv: expected {size} bytes", "found 3"):
        write(server, {"b.csv": 0, "a.csv": size})
    assert names(inbox) == {"a.csv", "b.csv"}


def test_no_done_for_a_missing_file(inbox: Path) -> None:
    with (
        SftpServer(inbox.parent) as server,
        fails(RejectedError, "/inbox/c.csv: no such file at the site", "quirks: {stat_after_rename: false}."),
    ):
        write(server, {"a.csv": 3, "c.csv": 1})
    assert names(inbox) == {"a.csv", "b.csv"}


@pytest.mark.parametrize("operation", ["create", "posix_rename"])
def test_nothing_is_left_behind_when_done_cannot_be_written(operation: str, inbox: Path) -> None:
    class Refusing(Folder):
        def record(self, name: str, path: bytes, to: bytes | None = None) -> None:
            super().record(name, path, to)
            if name == operation:
                raise asyncssh.SFTPPermissionDenied("Permission denied")

    with SftpServer(inbox.parent, files=Refusing) as server, fails(RejectedError, "the site does not permit it"):
        write(server, {"a.csv": 3})
    assert names(inbox) == {"a.csv", "b.csv"}


def test_done_without_posix_rename(inbox: Path) -> None:
    class Plain(Folder):
        def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
            raise asyncssh.SFTPOpUnsupported("Operation unsupported")

    with SftpServer(inbox.parent, files=Plain) as server:
        for _ in range(2):
            write(server, {"a.csv": 3})
            assert names(inbox) == {"a.csv", "b.csv", "a.csv.DONE"}


def test_done_is_not_written_again_for_a_receiver_that_collects_at_once(inbox: Path) -> None:
    taken: list[bytes] = []
    closed: list[bool] = []

    class Taking(Folder):
        def __init__(self, chan: Any) -> None:
            super().__init__(chan)
            if closed:
                self.connection.abort()

        def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
            super().posix_rename(oldpath, newpath)
            taken.append(newpath)
            for path in inbox.glob("a.csv*"):
                path.unlink()
            closed.append(True)
            self.connection.abort()

    with SftpServer(inbox.parent, files=Taking) as server:
        with fails(TransientError):
            write(server, {"a.csv": 3, "b.csv": 0})
        closed.clear()
        write(server, {"a.csv": 3, "b.csv": 0})
        assert taken == [b"/inbox/a.csv.DONE"]
        assert {path.name for path in inbox.iterdir()} == {"b.csv"}
        # Without that try's lock, a missing file is an error.
        with fails(RejectedError, "/inbox/a.csv: no such file at the site"):
            write(server, {"a.csv": 3, "b.csv": 0})


def test_a_refused_rename_does_not_count_as_done(inbox: Path) -> None:
    class Refusing(Folder):
        def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
            raise asyncssh.SFTPPermissionDenied("Permission denied")

    with SftpServer(inbox.parent, files=Refusing) as server:
        with fails(RejectedError, "the site does not permit it"):
            write(server, {"a.csv": 3})
        server.serve(Folder)
        write(server, {"a.csv": 3})
    assert {path.name for path in inbox.iterdir()} == {"a.csv", "b.csv", "a.csv.DONE"}


@pytest.mark.parametrize("step", range(6))
@pytest.mark.parametrize("done_first", [False, True])
def test_done_is_written_after_one_broken_connection(step: int, done_first: bool, inbox: Path) -> None:
    class Breaking(Folder):
        def record(self, name: str, path: bytes, to: bytes | None = None) -> None:
            super().record(name, path, to)
            if len(self.server.operations) == step + 1:
                self.connection.abort()
                if not done_first:
                    raise asyncssh.SFTPConnectionLost("gone")

    with SftpServer(inbox.parent, files=Breaking) as server:
        write(server, {"a.csv": 3, "b.csv": 0})
        assert len(server.logins) == 2
    assert names(inbox) == {"a.csv", "b.csv", "a.csv.DONE"}
