"""Uploads to working and to faulty servers: no partial file is ever visible."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import asyncssh
import pytest
from support.expect import fails
from support.sites.faulty import WatchedFolder
from support.sites.folder import contents
from support.sites.sending import DELIVERY, NOISE, SMALL, digest, finish, send, temporary
from support.sites.sftp_server import Folder, Operation, SftpServer

from persado.errors import RejectedError, TransientError
from persado.pipeline.site.connect import connect
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.staged import Upload, upload
from persado.pipeline.upload.temporary_names import lock_path
from persado.settings.models.quirks import Quirks

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


def test_temporary_names_are_hidden_and_short_and_contain_a_digest() -> None:
    path = temporary("/inbox/" + "é" * 120 + ".csv", 7, SMALL)
    assert path == f"/inbox/.persado-{DELIVERY}-0000007-{digest(SMALL)[:16]}.part"


# Order


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


def test_a_silent_truncation_is_detected(folder: Path) -> None:
    class Truncating(Folder):
        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            return super().write(file_obj, offset, data) if offset < 1_000_000 else len(data)

    with SftpServer(folder, files=Truncating) as server:
        with fails(TransientError, "expected 3,000,000 bytes at the site, found 1,0"):
            send(server, {"a.csv": NOISE}, done="a.csv.DONE")
        assert contents(folder) == {}


def full_after(size: int, error: Callable[[], Exception]) -> type[Folder]:
    """Return a folder that fails after some bytes."""

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
        (
            lambda: asyncssh.SFTPFailure("Failure"),
            "the site says only 'Failure'. SFTP reports a full disk and an exceeded quota this way, too",
        ),
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
    """Return a folder that refuses an operation, optionally only for hidden or only for other paths."""

    class Refusing(Folder):
        def record(self, operation: str, path: bytes, to: bytes | None = None) -> None:
            super().record(operation, path, to)
            if operation == name and hidden in (None, b"/.persado-" in path):
                raise error()

    return Refusing


def denied() -> Exception:
    return asyncssh.SFTPPermissionDenied("Permission denied")


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        ("stat", "cannot access /inbox"),
        ("mkdir", "cannot create the folder /inbox/sub"),
        ("create", "cannot open /inbox/sub/.persado-"),
        ("remove", "cannot remove /inbox/a.csv.DONE"),
        ("posix_rename", "cannot rename /inbox/sub/.persado-"),
    ],
)
def test_upload_reports_a_missing_permission(operation: str, text: str, folder: Path) -> None:
    (folder / "inbox" / "a.csv.DONE").write_bytes(b"")
    hidden = {"remove": False, "create": True, "posix_rename": True}.get(operation)
    with (
        SftpServer(folder, files=refusing(operation, denied, hidden)) as server,
        fails(RejectedError, text, "the site does not permit it"),
    ):
        send(server, {"sub/a.csv": SMALL}, done="a.csv.DONE")
    assert set(contents(folder / "inbox")) - {"a.csv.DONE"} == set()


def test_a_folder_that_another_delivery_creates_at_the_same_moment(folder: Path) -> None:
    class Racing(Folder):
        def mkdir(self, path: bytes, attrs: Any) -> Any:
            self.server.folder.joinpath(path.decode().lstrip("/")).mkdir()
            return super().mkdir(path, attrs)

    with SftpServer(folder, files=Racing) as server:
        send(server, {"a/b/c.csv": SMALL})
    assert contents(folder) == {"inbox/a/b/c.csv": SMALL}


def test_an_error_of_the_source_is_not_reported_as_one_of_the_site(folder: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    file = Upload("/inbox/a.csv", 1, digest(b"x"), Broken)
    with SftpServer(folder) as server, pytest.raises(OSError, match="Input/output error"):
        upload(partial(connect, server.site()), [file], UploadPlan(delivery_id=DELIVERY, remote_folder="/inbox"))
    assert contents(folder) == {}


def test_upload_reports_a_permission_that_is_lost_midway(folder: Path) -> None:
    (folder / "inbox" / "a.csv").write_bytes(b"old")
    with (
        SftpServer(folder, files=full_after(1_000_000, denied)) as server,
        fails(RejectedError, "the upload of /inbox/a.csv failed", "the site does not permit it"),
    ):
        send(server, {"a.csv": NOISE}, done="a.csv.DONE")
    assert contents(folder, locks=True) == {"inbox/a.csv": b"old"}


class Taking(Folder):
    """Take files away as soon as they are renamed, like a site that processes them at once."""

    def take(self, path: bytes) -> None:
        found = self.server.folder.joinpath(path.decode().lstrip("/"))
        found.rename(self.server.folder / f"taken-{found.name}")

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        super().posix_rename(oldpath, newpath)
        if not newpath.endswith(b".DONE"):
            self.take(newpath)


def test_a_site_that_collects_files_when_they_are_renamed(folder: Path) -> None:
    files, quirks = {"a.csv": NOISE, "b.csv": SMALL}, Quirks(stat_after_rename=False)
    with SftpServer(folder, files=Taking) as server:
        send(server, files, done="a.csv.DONE", quirks=quirks)
        with fails(RejectedError, "/inbox/a.csv: no such file at the site"):
            finish(server, files, "a.csv.DONE")
        finish(server, files, "a.csv.DONE", quirks=quirks)
    arrived = {f"taken-{name}": content for name, content in files.items()}
    assert contents(folder, locks=True) == {**arrived, "inbox/a.csv.DONE": b""}


def test_a_site_that_collects_files_before_they_are_renamed(folder: Path) -> None:
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


def test_a_folder_in_place_of_the_success_file(folder: Path) -> None:
    (folder / "inbox" / "a.csv.DONE").mkdir()
    with SftpServer(folder) as server, fails(RejectedError, "/inbox/a.csv.DONE at the site is a folder"):
        send(server, {"a.csv": NOISE}, done="a.csv.DONE")
    assert contents(folder) == {}
