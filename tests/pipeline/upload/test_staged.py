"""Uploads to servers that behave, and to servers that do not: nobody ever sees half a file."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import asyncssh
import pytest
from support.expect import fails, nothing_left_behind, short_pauses  # noqa: F401 - fixtures
from support.sites.folder import contents
from support.sites.sending import DELIVERY, NOISE, SMALL, digest, finish, folder, send, temporary
from support.sites.sftp_server import Folder, Operation, SftpServer
from support.stubs import answering

from persado.errors import RejectedError, TransientError
from persado.pipeline.site import reconnect
from persado.pipeline.site.connect import connect
from persado.pipeline.site.reconnect import ATTEMPTS
from persado.pipeline.upload import lock as site_lock
from persado.pipeline.upload.lock_file import Holder
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.staged import Upload, upload
from persado.pipeline.upload.temporary_names import lock_path
from persado.pipeline.upload.transfer import BLOCK, TAIL
from persado.settings.models.quirks import Quirks

__all__ = ["folder"]

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


def test_temporary_names_are_hidden_short_and_of_this_content() -> None:
    path = temporary("/inbox/" + "é" * 120 + ".csv", 7, SMALL)
    assert path == f"/inbox/.persado-{DELIVERY}-0000007-{digest(SMALL)[:16]}.part"


# The order of things


def test_the_order_of_operations(folder: Path) -> None:
    (folder / "inbox" / "a.csv.DONE").write_bytes(b"")
    a, b = temporary("/inbox/a.csv", 1, NOISE), temporary("/inbox/sub/b.csv", 2, SMALL)
    lock = lock_path("/inbox/a.csv")
    with SftpServer(folder) as server:
        send(server, {"a.csv": NOISE, "sub/b.csv": SMALL}, done="a.csv.DONE")
        assert server.changes() == [
            Operation("mkdir", "/inbox/sub"),
            Operation("create", lock),
            Operation("written", lock),
            Operation("create", a),
            Operation("written", a),
            Operation("create", b),
            Operation("written", b),
            Operation("update", lock),
            Operation("written", lock),
            Operation("remove", "/inbox/a.csv.DONE"),
            Operation("posix_rename", a, "/inbox/a.csv"),
            Operation("posix_rename", b, "/inbox/sub/b.csv"),
        ]
        for path in (a, b):
            written = server.operations.index(Operation("written", path))
            assert server.operations[written + 1] == Operation("stat", path)


class WatchedFolder(Folder):
    """See at every operation and every write what a receiver would see."""

    seen: ClassVar[list[dict[str, int]]]

    def note(self, name: str, path: bytes, to: bytes | None = None) -> None:
        super().note(name, path, to)
        self.look()

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        self.look()
        return super().write(file_obj, offset, data)

    def look(self) -> None:
        files = self.server.folder.rglob("[!.]*")
        self.seen.append({path.name: path.stat().st_size for path in files if path.is_file()})


def test_nobody_sees_an_incomplete_file(folder: Path) -> None:
    class Watched(WatchedFolder):
        seen: ClassVar[list[dict[str, int]]] = []

    for name in ("a.csv", "a.csv.DONE"):
        (folder / "inbox" / name).write_bytes(b"old")
    with SftpServer(folder, files=Watched) as server:
        send(server, {"a.csv": NOISE, "b.csv": NOISE[:100_000]}, done="a.csv.DONE")
    stages = [
        dict(state)
        for state, following in zip(Watched.seen, [*Watched.seen[1:], {}], strict=True)
        if state != following
    ]
    assert stages == [
        {"a.csv": 3, "a.csv.DONE": 3},
        {"a.csv": 3},
        {"a.csv": 3_000_000},
    ]


# Faults of the site


def test_a_silent_truncation_is_noticed(folder: Path) -> None:
    class Truncating(Folder):
        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            return super().write(file_obj, offset, data) if offset < 1_000_000 else len(data)

    with SftpServer(folder, files=Truncating) as server:
        with fails(TransientError, "expected 3,000,000 bytes at the site, found 1,0"):
            send(server, {"a.csv": NOISE}, done="a.csv.DONE")
        assert contents(folder) == {}


def full_after(size: int, error: Callable[[], Exception]) -> type[Folder]:
    """Give a folder that takes so many bytes and no more."""

    class Full(Folder):
        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            if offset + len(data) > size and not self.is_lock(file_obj):
                raise error()
            return super().write(file_obj, offset, data)

    return Full


@pytest.mark.parametrize("size", [0, 100_000, 2_990_000, 2_999_999])
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (lambda: asyncssh.SFTPFailure("Failure"), "often its disk is full or the account's quota is used up"),
        (lambda: OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (lambda: OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded"),
    ],
)
def test_no_space(error: Callable[[], Exception], text: str, size: int, folder: Path) -> None:
    with SftpServer(folder, files=full_after(size, error)) as server:
        with fails(TransientError, "the upload of /inbox/a.csv failed: the site says", text):
            send(server, {"first.csv": b"", "a.csv": NOISE}, done="a.csv.DONE")
        assert contents(folder) == {}


def refusing(name: str, error: Callable[[], Exception], hidden: bool | None = None) -> type[Folder]:
    """Give a folder that refuses an operation, only for hidden or only for other paths."""

    class Refusing(Folder):
        def note(self, operation: str, path: bytes, to: bytes | None = None) -> None:
            super().note(operation, path, to)
            if operation == name and hidden in (None, b"/.persado-" in path):
                raise error()

    return Refusing


def denied() -> Exception:
    return asyncssh.SFTPPermissionDenied("Permission denied")


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        ("stat", "cannot look at /inbox"),
        ("mkdir", "cannot create the folder /inbox/sub"),
        ("create", "cannot open /inbox/sub/.persado-"),
        ("remove", "cannot remove /inbox/a.csv.DONE"),
        ("posix_rename", "cannot rename /inbox/sub/.persado-"),
    ],
)
def test_a_missing_right_is_no_absence(operation: str, text: str, folder: Path) -> None:
    (folder / "inbox" / "a.csv.DONE").write_bytes(b"")
    hidden = {"remove": False, "create": True, "posix_rename": True}.get(operation)
    with (
        SftpServer(folder, files=refusing(operation, denied, hidden)) as server,
        fails(RejectedError, text, "the site does not permit it"),
    ):
        send(server, {"sub/a.csv": SMALL}, done="a.csv.DONE")
    assert set(contents(folder / "inbox")) - {"a.csv.DONE"} == set()


def test_a_folder_that_another_delivery_makes_at_the_same_moment(folder: Path) -> None:
    class Racing(Folder):
        def mkdir(self, path: bytes, attrs: Any) -> Any:
            self.server.folder.joinpath(path.decode().lstrip("/")).mkdir()
            return super().mkdir(path, attrs)

    with SftpServer(folder, files=Racing) as server:
        send(server, {"a/b/c.csv": SMALL})
    assert contents(folder) == {"inbox/a/b/c.csv": SMALL}


def test_a_source_that_fails_is_no_fault_of_the_site(folder: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    file = Upload("/inbox/a.csv", 1, digest(b"x"), Broken)
    with SftpServer(folder) as server, pytest.raises(OSError, match="Input/output error"):
        upload(partial(connect, server.site()), [file], UploadPlan(delivery_id=DELIVERY, remote_folder="/inbox"))
    assert contents(folder) == {}


def test_a_right_that_is_lost_midway(folder: Path) -> None:
    (folder / "inbox" / "a.csv").write_bytes(b"old")
    with (
        SftpServer(folder, files=full_after(1_000_000, denied)) as server,
        fails(RejectedError, "the upload of /inbox/a.csv failed", "the site does not permit it"),
    ):
        send(server, {"a.csv": NOISE}, done="a.csv.DONE")
    assert contents(folder, locks=True) == {"inbox/a.csv": b"old"}


class Taking(Folder):
    """Take files away as soon as they are closed or have another name, as a site does that works on them at once."""

    def take(self, path: bytes) -> None:
        found = self.server.folder.joinpath(path.decode().lstrip("/"))
        found.rename(self.server.folder / f"taken-{found.name}")

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        super().posix_rename(oldpath, newpath)
        if not newpath.endswith(b".DONE"):
            self.take(newpath)


def test_a_site_that_takes_files_when_they_have_their_names(folder: Path) -> None:
    files, quirks = {"a.csv": NOISE, "b.csv": SMALL}, Quirks(stat_after_rename=False)
    with SftpServer(folder, files=Taking) as server:
        send(server, files, done="a.csv.DONE", quirks=quirks)
        with fails(RejectedError, "/inbox/a.csv: no such file at the site"):
            finish(server, files, "a.csv.DONE")
        finish(server, files, "a.csv.DONE", quirks=quirks)
    arrived = {f"taken-{name}": content for name, content in files.items()}
    assert contents(folder, locks=True) == {**arrived, "inbox/a.csv.DONE": b""}


def test_a_site_that_takes_files_before_they_have_their_names(folder: Path) -> None:
    class TakingAtOnce(Taking):
        def close(self, file_obj: object) -> Any:
            path = self.writing.get(file_obj, "")
            super().close(file_obj)
            if path.endswith(".part"):
                self.take(path.encode())

    (folder / "inbox" / "a.csv.DONE").write_bytes(b"old")
    with (
        SftpServer(folder, files=TakingAtOnce) as server,
        fails(TransientError, "expected 3,000,000 bytes at the site, found no file", "begin with a dot"),
    ):
        send(server, {"a.csv": NOISE}, done="a.csv.DONE")
    assert contents(folder / "inbox", locks=True) == {"a.csv.DONE": b"old"}


def test_a_host_key_that_changes_between_two_tries(folder: Path) -> None:
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


# Without posix-rename


class Plain(Folder):
    """Know no posix-rename."""

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self.note("unsupported", oldpath, newpath)
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
def test_without_posix_rename_the_old_file_comes_back_when_the_rename_fails(refused: str, folder: Path) -> None:
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
def test_without_posix_rename_a_connection_lost_between_two_renames_is_mended(
    step: int, done_first: bool, folder: Path
) -> None:
    class Breaking(Plain):
        steps = 0

        def note(self, name: str, path: bytes, to: bytes | None = None) -> None:
            super().note(name, path, to)
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


def test_without_posix_rename_the_next_try_takes_up_what_was_moved_aside(folder: Path) -> None:
    """Also with other contents; until the new file is there, the old one stays."""
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
        with fails(TransientError, "the older file of the name may now be /inbox/.persado-"):
            send(server, {"a.csv": NOISE})
        [aside] = [path for path in (folder / "inbox").iterdir() if path.name.endswith("-replaced.part")]
        lost.append(True)
        with fails(TransientError, "the upload of /inbox/a.csv failed"):
            send(server, {"a.csv": SMALL})
        assert aside.read_bytes() == b"old"
        lost.clear()
        send(server, {"a.csv": SMALL})
    assert contents(folder / "inbox", locks=True) == {"a.csv": SMALL}


def test_a_folder_in_place_of_the_success_file(folder: Path) -> None:
    (folder / "inbox" / "a.csv.DONE").mkdir()
    with SftpServer(folder) as server, fails(RejectedError, "/inbox/a.csv.DONE at the site is a folder"):
        send(server, {"a.csv": NOISE}, done="a.csv.DONE")
    assert contents(folder) == {}


@pytest.mark.parametrize("silent", [False, True])
def test_a_site_that_cannot_stand_the_question_for_free_space(silent: bool, folder: Path) -> None:
    class Touchy(Folder):
        async def statvfs(self, path: bytes) -> Any:
            if silent:
                await asyncio.sleep(60)
            self.connection.abort()

    with SftpServer(folder, files=Touchy) as server:
        send(server, {"a.csv": SMALL}, site={"channel_timeout": 1.0})
        assert len(server.logins) == 2
    assert contents(folder / "inbox") == {"a.csv": SMALL}


def test_another_machine_of_the_site_behind_the_same_name(folder: Path, tmp_path: Path) -> None:
    """What one machine has got is nothing to the other."""
    (other := tmp_path / "other" / "inbox").mkdir(parents=True)

    class Moving(Folder):
        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            if offset > 1_000_000 and self.server.folder == folder:
                self.server.folder = other.parent
                self.connection.abort()
            return super().write(file_obj, offset, data)

    (other / "a.csv.DONE").write_bytes(b"stale")
    with SftpServer(folder, files=Moving) as server, fails(TransientError, "has gone from the site before it was"):
        send(server, {"b.csv": SMALL, "a.csv": NOISE}, done="a.csv.DONE")
    assert "b.csv" not in contents(folder / "inbox")
    assert contents(other, locks=True) == {}


def test_a_lock_from_the_future(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site's clock was set back; who holds the lock is dead all the same."""
    monkeypatch.setattr(site_lock, "STALE", 1.0)
    lock = folder / lock_path("/inbox/a.csv").lstrip("/")
    lock.write_bytes(Holder("f" * 16, "f" * 16).write())
    os.utime(lock, (time.time() + 1e6, time.time() + 1e6))
    with SftpServer(folder) as server:
        send(server, {"a.csv": SMALL})
    assert contents(folder / "inbox", locks=True) == {"a.csv": SMALL}


def test_a_try_that_comes_back_when_the_next_one_has_begun_touches_nothing(folder: Path) -> None:
    begun = folder / temporary("/inbox/a.csv", 1, NOISE).lstrip("/")

    class Overtaking(Folder):
        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            if offset > 1_000_000 and not self.is_lock(file_obj):
                lock = folder / lock_path("/inbox/a.csv").lstrip("/")
                lock.write_bytes(Holder(DELIVERY, "f" * 16).write())
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


# A connection that breaks or falls silent


def faulty(name: str, fault: Callable[[Folder], Any], times: Container[int]) -> type[Folder]:
    """Give a folder with a fault at some of the operations of a name: the first is number 1."""

    class Faulty(Folder):
        seen = 0

        def count(self, operation: str) -> None:
            type(self).seen += operation == name
            if operation == name and self.seen in times:
                fault(self)

        def note(self, operation: str, path: bytes, to: bytes | None = None) -> None:
            super().note(operation, path, to)
            self.count(operation)

        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            if not self.is_lock(file_obj):
                self.count("write")
            return super().write(file_obj, offset, data)

    return Faulty


def hang_up(served: Folder) -> None:
    """Break the connection; what was asked for is done."""
    served.connection.abort()


def hang_up_before(served: Folder) -> None:
    """Break the connection; what was asked for is not done."""
    served.connection.abort()
    raise asyncssh.SFTPConnectionLost("gone")


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
def test_a_connection_that_breaks_once(
    operation: str, count: int, fault: Callable[[Folder], Any], folder: Path
) -> None:
    (folder / "inbox" / "a.csv.DONE").write_bytes(b"stale")
    with SftpServer(folder, files=faulty(operation, fault, {count})) as server:
        send(server, FILES, done="a.csv.DONE")
        assert len(server.logins) == 2
    assert contents(folder / "inbox") == FILES


@pytest.mark.parametrize(("operation", "count"), [step for step in STEPS if step[0] != "written"])
def test_a_connection_that_breaks_again_and_again(operation: str, count: int, folder: Path) -> None:
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
    """Everything under a final name is whole, and there is no early .DONE."""
    files = contents(folder / "inbox")
    renamed = [name for name in FILES if name in files]
    for name in renamed:
        assert files[name] == FILES[name]
    assert not renamed or "a.csv.DONE" not in files


@pytest.mark.parametrize(("operation", "count"), STEPS[::2])
def test_a_site_that_falls_silent_once(operation: str, count: int, folder: Path) -> None:
    released = threading.Event()
    files = faulty(operation, lambda served: released.wait(0.7), {count})
    with SftpServer(folder, files=files) as server:
        send(server, FILES, done="a.csv.DONE", site={"channel_timeout": 0.3, "connect_timeout": 5.0})
    assert contents(folder / "inbox") == FILES


def test_a_site_that_stays_silent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "ATTEMPTS", 2)
    released = threading.Event()
    with SftpServer(folder, files=faulty("write", lambda served: released.wait(30), {50})) as server:
        with fails(TransientError, "the site did not answer within the time-out", within=20):
            send(server, FILES, done="a.csv.DONE", site={"channel_timeout": 0.5, "connect_timeout": 0.5})
        released.set()
        check_after_fault(folder)


# Going on where it ended


def test_what_has_arrived_is_not_sent_again(folder: Path) -> None:
    with SftpServer(folder, files=faulty("write", hang_up_before, {50})) as server:
        send(server, {"a.csv": NOISE})
        assert [offset for _, offset, _ in server.written].count(0) == 1
        assert sum(size for _, _, size in server.written) < len(NOISE) + 1_000_000
        assert [operation.path for operation in server.changes() if operation.name == "create"][1:] == [
            temporary("/inbox/a.csv", 1, NOISE)
        ]
    assert contents(folder / "inbox") == {"a.csv": NOISE}


def test_the_next_try_goes_on(folder: Path) -> None:
    with (
        SftpServer(folder, files=faulty("write", hang_up_before, range(50, 1000))) as server,
        fails(TransientError, "the upload of /inbox/a.csv failed: the connection was lost"),
    ):
        send(server, {"a.csv": NOISE})
    (left,) = contents(folder / "inbox").values()
    assert NOISE.startswith(left)
    assert left
    with SftpServer(folder) as server:
        send(server, {"a.csv": NOISE})
        assert sum(size for _, _, size in server.written) == len(NOISE) - len(left)
    assert contents(folder / "inbox") == {"a.csv": NOISE}


def test_a_complete_file_is_not_sent_again(folder: Path) -> None:
    Path(temporary(str(folder / "inbox" / "a.csv"), 1, NOISE)).write_bytes(NOISE)
    with SftpServer(folder) as server:
        send(server, {"a.csv": NOISE})
        assert server.written == []
    assert contents(folder / "inbox") == {"a.csv": NOISE}


def test_another_content_or_delivery_does_not_go_on(folder: Path) -> None:
    left = Path(temporary(str(folder / "inbox" / "a.csv"), 1, SMALL))
    left.write_bytes(NOISE[:1000])
    with SftpServer(folder) as server:
        send(server, {"a.csv": NOISE})
        send(server, {"b.csv": SMALL}, delivery_id="another")
        assert sum(size for _, _, size in server.written) == len(NOISE) + len(SMALL)


def test_what_may_not_be_read_is_sent_again(folder: Path) -> None:
    class WriteOnly(Folder):
        def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
            if not pflags & asyncssh.FXF_WRITE:
                raise asyncssh.SFTPPermissionDenied("Permission denied")
            return super().open(path, pflags, attrs)

    Path(temporary(str(folder / "inbox" / "a.csv"), 1, NOISE)).write_bytes(NOISE[:1_000_000])
    with SftpServer(folder, files=WriteOnly) as server:
        send(server, {"a.csv": NOISE})
        assert sum(size for _, _, size in server.written) == len(NOISE)
    assert contents(folder / "inbox") == {"a.csv": NOISE}


def test_holes_near_the_end_are_noticed(folder: Path) -> None:
    content = random.Random(2).randbytes(30_000_000)
    holes = bytearray(content[:25_000_000])
    holes[17_000_000:17_032_768] = bytes(32768)
    left = Path(temporary(str(folder / "inbox" / "a.csv"), 1, content))
    left.write_bytes(holes)
    with SftpServer(folder) as server:
        send(server, {"a.csv": content})
        assert 16_900_000 < server.written[0][1] <= 17_000_000
        (folder / "inbox" / "a.csv").unlink()
        left.write_bytes(bytes(25_000_000))
        send(server, {"a.csv": content})
        assert server.written.count((server.written[0][0], 0, 32768)) == 1
    assert contents(folder / "inbox") == {"a.csv": content}


def test_only_the_tail_is_read_back_in_the_same_try(folder: Path) -> None:
    asked: list[int] = []

    class Reading(Folder):
        def read(self, file_obj: object, offset: int, size: int) -> Any:
            asked.append(size)
            return super().read(file_obj, offset, size)

        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            if offset > 25_000_000 and not self.is_lock(file_obj) and not cut:
                cut.append(True)
                self.connection.abort()
                raise asyncssh.SFTPConnectionLost("gone")
            return super().write(file_obj, offset, data)

    cut: list[bool] = []
    content = random.Random(2).randbytes(30_000_000)
    with SftpServer(folder, files=Reading) as server:
        send(server, {"a.csv": content})
        assert sum(size for _, _, size in server.written) < 30_000_000 + TAIL
    assert cut
    assert TAIL <= sum(asked) < TAIL + BLOCK
    assert contents(folder / "inbox") == {"a.csv": content}


@pytest.mark.parametrize("verify", ["size", "read_back"])
def test_what_an_earlier_try_has_left_is_compared_as_a_whole(verify: str, folder: Path) -> None:
    content = random.Random(2).randbytes(TAIL + 2_000_000)
    left = Path(temporary(str(folder / "inbox" / "a.csv"), 1, content))
    left.write_bytes(content[:-500_000])
    with SftpServer(folder) as server:
        send(server, {"a.csv": content}, verify=verify)
        assert sum(size for _, _, size in server.written) == 500_000
        assert contents(folder / "inbox") == {"a.csv": content}
        left.write_bytes(b"?" + content[1:-500_000])
        with fails(TransientError, "expected the SHA-256"):
            send(server, {"a.csv": content}, verify=verify)
        assert not left.exists()
        send(server, {"a.csv": content}, verify=verify)
    assert contents(folder / "inbox") == {"a.csv": content}


def test_patience_lasts_as_long_as_there_is_progress(folder: Path) -> None:
    content = random.Random(2).randbytes(4_000_000)
    with SftpServer(folder, files=faulty("write", hang_up_before, range(20, 1000, 20))) as server:
        send(server, {"a.csv": content})
        assert len(server.logins) > ATTEMPTS
    assert contents(folder / "inbox") == {"a.csv": content}


def test_a_site_that_was_never_reached_is_not_asked_again_and_again(folder: Path) -> None:
    with SftpServer(folder) as server:
        site = server.site()
    with fails(TransientError, "nothing answers there", within=10):
        file = Upload("/inbox/a.csv", 0, digest(b""), io.BytesIO)
        upload(partial(connect, site), [file], UploadPlan(delivery_id=DELIVERY, remote_folder="/inbox"))


def test_an_old_file_of_the_same_size_is_never_taken_for_the_new_one(folder: Path) -> None:
    class Sweeping(Folder):
        def note(self, name: str, path: bytes, to: bytes | None = None) -> None:
            super().note(name, path, to)
            if name == "posix_rename":
                self.server.folder.joinpath(path.decode().lstrip("/")).unlink()

    (folder / "inbox" / "a.csv").write_bytes(b"x" * len(SMALL))
    with SftpServer(folder, files=Sweeping) as server, fails(TransientError, "has gone from the site"):
        send(server, {"a.csv": SMALL})


def test_the_reason_of_a_pause_is_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with SftpServer(folder, files=faulty("write", hang_up_before, {50})) as server:
        send(server, {"a.csv": NOISE})
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("persado")]
    assert line.startswith("the upload of /inbox/a.csv failed: the connection was lost")
    assert line.endswith("seconds from what has arrived")


@contextmanager
def clogging(port: int, after: int) -> Iterator[int]:
    """Give the port of a proxy that stops reading, and closes nothing, after so many bytes to the site."""
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


def test_a_network_that_takes_no_more_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SftpServer(folder) as server, clogging(server.port, 200_000) as proxy:
        monkeypatch.setattr(reconnect, "ATTEMPTS", 1)
        site = {"port": proxy, "channel_timeout": 0.5}
        with fails(TransientError, "the upload of /inbox/a.csv failed", within=20):
            send(server, {"a.csv": NOISE}, site=site)
    check_after_fault(folder)
