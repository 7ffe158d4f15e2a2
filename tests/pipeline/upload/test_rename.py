"""Final names: the older file stays until the new one takes its place, also without posix-rename."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import asyncssh
import pytest
from support.expect import fails
from support.sites.faulty import WatchedFolder
from support.sites.folder import contents
from support.sites.sending import NOISE, SMALL, send
from support.sites.sftp_server import Folder, SftpServer

from persado.errors import TransientError

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


class Plain(Folder):
    """A folder without posix-rename."""

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self.record("unsupported", oldpath, newpath)
        raise asyncssh.SFTPOpUnsupported("Operation unsupported")


def test_without_posix_rename_the_old_file_stays_until_the_new_one_is_there(folder: Path) -> None:
    class Watched(Plain, WatchedFolder):
        seen: ClassVar[list[dict[str, int]]] = []

    for name in ("a.csv", "b.csv"):
        (folder / "inbox" / name).write_bytes(b"old")
    with SftpServer(folder, files=Watched) as server:
        send(server, {"a.csv": NOISE, "b.csv": SMALL, "c.csv": b""})
        changes = [change for change in server.changes() if change.name in ("rename", "remove")]
    assert contents(folder / "inbox") == {"a.csv": NOISE, "b.csv": SMALL, "c.csv": b""}
    asides = [to for name, path, to in changes if name == "rename" and path in ("/inbox/a.csv", "/inbox/b.csv")]
    assert len(set(asides)) == 2
    assert {path for name, path, _ in changes if name == "remove"} >= set(asides)
    for state in Watched.seen:
        assert state.get("a.csv", 3) in (3, len(NOISE))
        assert state.get("b.csv", 3) in (3, len(SMALL))


@pytest.mark.parametrize("refused", ["/inbox/a.csv", "/inbox/b.csv"])
def test_without_posix_rename_the_old_file_is_restored_when_the_rename_fails(refused: str, folder: Path) -> None:
    class Stubborn(Plain):
        def rename(self, oldpath: bytes, newpath: bytes) -> Any:
            if newpath.decode() == refused and b"replaced" not in oldpath:
                raise asyncssh.SFTPFailure("Failure")
            return super().rename(oldpath, newpath)

    for name in ("a.csv", "b.csv"):
        (folder / "inbox" / name).write_bytes(b"old")
    with (
        SftpServer(folder, files=Stubborn) as server,
        fails(TransientError, "cannot rename /inbox/.persado-", f"to {refused}"),
    ):
        send(server, {"a.csv": NOISE, "b.csv": SMALL})
    (first, second) = (b"old", b"old") if refused == "/inbox/a.csv" else (NOISE, b"old")
    assert contents(folder / "inbox") == {"a.csv": first, "b.csv": second}


@pytest.mark.parametrize("done_first", [False, True])
@pytest.mark.parametrize("step", range(1, 8))
def test_without_posix_rename_upload_continues_after_a_connection_lost_between_two_renames(
    step: int, done_first: bool, folder: Path
) -> None:
    class Breaking(Plain):
        steps = 0

        def record(self, name: str, path: bytes, to: bytes | None = None) -> None:
            super().record(name, path, to)
            if "unsupported" in [operation.name for operation in self.server.operations]:
                type(self).steps += 1
                if self.steps == step:
                    self.connection.abort()
                    if not done_first:
                        raise asyncssh.SFTPConnectionLost("gone")

    (folder / "inbox" / "a.csv").write_bytes(b"old")
    with SftpServer(folder, files=Breaking) as server:
        send(server, {"a.csv": NOISE})
        assert len(server.logins) == 2
    assert contents(folder / "inbox") == {"a.csv": NOISE}


def test_without_posix_rename_the_next_try_resumes_with_the_old_file_moved_aside(folder: Path) -> None:
    """Also with other content; the old file stays until the new one is there."""
    lost: list[bool] = [True]

    class Breaking(Plain):
        def rename(self, oldpath: bytes, newpath: bytes) -> Any:
            if lost and newpath == b"/inbox/a.csv":
                self.server.hang_up()
                raise asyncssh.SFTPConnectionLost("gone")
            return super().rename(oldpath, newpath)

        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            if len(lost) > 1 and not self.is_lock(file_obj):
                raise asyncssh.SFTPFailure("Failure")
            return super().write(file_obj, offset, data)

    (folder / "inbox" / "a.csv").write_bytes(b"old")
    with SftpServer(folder, files=Breaking) as server:
        with fails(TransientError, "the older file may have been moved to /inbox/.persado-"):
            send(server, {"a.csv": NOISE})
        [aside] = [path for path in (folder / "inbox").iterdir() if path.name.endswith("-replaced.part")]
        lost.append(True)
        with fails(TransientError, "the upload of /inbox/a.csv failed"):
            send(server, {"a.csv": SMALL})
        assert aside.read_bytes() == b"old"
        lost.clear()
        send(server, {"a.csv": SMALL})
    assert contents(folder / "inbox", locks=True) == {"a.csv": SMALL}


def test_an_old_file_of_the_same_size_is_not_mistaken_for_the_new_one(folder: Path) -> None:
    class Sweeping(Folder):
        def record(self, name: str, path: bytes, to: bytes | None = None) -> None:
            super().record(name, path, to)
            if name == "posix_rename":
                self.server.folder.joinpath(path.decode().lstrip("/")).unlink()

    (folder / "inbox" / "a.csv").write_bytes(b"x" * len(SMALL))
    with SftpServer(folder, files=Sweeping) as server, fails(TransientError, "disappeared from the site"):
        send(server, {"a.csv": SMALL})
