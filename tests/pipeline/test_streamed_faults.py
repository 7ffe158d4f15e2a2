"""Streamed deliveries that fail: the right error, no file under its final name, and no files left."""

from __future__ import annotations

import errno
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh
import duckdb
import psutil
import pytest
from support.airflow.runs import gpg, pgp_home
from support.expect import fails, nothing_left_behind, short_pauses
from support.sites.cut_line import cut_line
from support.sites.folder import contents
from support.sites.sftp_server import Folder, SftpServer
from support.sites.sshd import Sshd
from support.streaming import DELIVERY, ROWS, settings, stream

from persado.errors import ConfigurationError, RejectedError, TransientError
from persado.pipeline.encrypt.public_key import PublicKey, read_public_key
from persado.pipeline.upload.staged import temporary_path

__all__ = ["nothing_left_behind", "pgp_home", "short_pauses"]

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")

NOISE = "SELECT sha256(i::text) || sha256((-i)::text) AS noise FROM range(24000) t(i)"
"""Three megabytes that barely compress."""
FAILS_LATE = "SELECT CASE WHEN i = 110000 THEN error('no such luck')::int ELSE i END AS i FROM range(120000) t(i)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site" / "inbox").mkdir(parents=True)
    return tmp_path / "site"


@pytest.fixture(params=["asyncssh", "openssh"])
def server(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Iterator[SftpServer | Sshd]:
    started: SftpServer | Sshd = SftpServer(folder) if request.param == "asyncssh" else Sshd(folder, tmp_path / "sshd")
    with started:
        yield started


@pytest.fixture
def key(pgp_home: Path) -> PublicKey:
    return read_public_key(gpg(pgp_home, "--export"), fingerprint=None, name="receiver")


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_connection_that_is_always_cut_and_the_next_run(
    encrypted: bool, server: SftpServer | Sshd, folder: Path, key: PublicKey
) -> None:
    (folder / "inbox" / "out.csv.DONE").touch()
    other = Path(temporary_path(str(folder / "inbox" / "out.csv"), "another", 1))
    other.touch()
    wanted, used = settings(encoding="gzip"), key if encrypted else None
    with (
        cut_line(server.port, 1_000_000) as port,
        fails(TransientError, "the upload of ", "/out.csv failed: the connection was lost"),
    ):
        stream(server, wanted, NOISE, site={"port": port}, key=used)
    left = set(contents(folder / "inbox")) - {"out.csv.DONE", other.name}
    assert len(left) == 1
    assert left.pop().startswith(f".persado-{DELIVERY}-0000001-")

    stream(server, wanted, NOISE, key=used)

    assert set(contents(folder / "inbox")) == {"out.csv", other.name}


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_connection_that_is_cut_twice_is_opened_again(
    encrypted: bool, server: SftpServer | Sshd, folder: Path, key: PublicKey
) -> None:
    begun: list[int] = []
    with cut_line(server.port, 1_000_000, times=2) as port:
        done = stream(
            server,
            settings(encoding="gzip"),
            NOISE,
            site={"port": port},
            key=key if encrypted else None,
            on_progress=lambda rows, _: begun.append(1) if rows == 0 else None,
        )
    assert len(begun) == 3
    assert {name: len(content) for name, content in contents(folder / "inbox").items()} == {
        "out.csv": done.artifacts[0].bytes
    }


def on_write(act: Callable[[Folder, int], None]) -> type[Folder]:
    """Return a folder that calls a function with the offset of every write."""

    class Acting(Folder):
        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            if not self.is_lock(file_obj):
                act(self, offset)
            return super().write(file_obj, offset, data)

    return Acting


@pytest.mark.parametrize("size", [0, 100_000, 1_000_000])
def test_a_full_disk_at_the_site_is_reported(size: int, folder: Path, key: PublicKey) -> None:
    def full(_: Folder, offset: int) -> None:
        if offset >= size:
            raise OSError(errno.ENOSPC, "No space left on device")

    with SftpServer(folder, files=on_write(full)) as site:
        for used in (None, key):
            with fails(TransientError, "the upload of /inbox/out.csv failed", "No space left on device"):
                stream(site, settings(encoding="gzip"), NOISE, key=used)
            assert contents(folder) == {}


def test_a_site_that_refuses_further_writes_is_reported(folder: Path) -> None:
    def refuse(_: Folder, offset: int) -> None:
        if offset >= 1_000_000:
            raise asyncssh.SFTPPermissionDenied("Permission denied")

    with (
        SftpServer(folder, files=on_write(refuse)) as site,
        fails(RejectedError, "/inbox/out.csv failed", "the site does not permit it"),
    ):
        stream(site, settings(), NOISE)
    assert contents(folder) == {}


def test_a_silent_truncation_is_detected(folder: Path) -> None:
    class Truncating(Folder):
        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            return super().write(file_obj, offset, data) if offset < 1_000_000 else len(data)

    with (
        SftpServer(folder, files=Truncating) as site,
        fails(TransientError, "bytes at the site, found 1,0"),
    ):
        stream(site, settings(), NOISE)
    assert contents(folder) == {}


@pytest.mark.parametrize("encoding", ["gzip", "tgz"])
@pytest.mark.parametrize("split", [None, {"rows": 50_000}])
def test_a_query_that_fails_halfway_leaves_no_files(
    encoding: str, split: Any, server: SftpServer | Sshd, folder: Path, key: PublicKey
) -> None:
    wanted = settings(encoding=encoding, split=split, split_directory_template="p")
    with fails(ConfigurationError):
        stream(server, wanted, FAILS_LATE, key=key)
    assert contents(folder) == {}


def test_a_killed_gpg_is_reported(server: SftpServer | Sshd, folder: Path, key: PublicKey) -> None:
    killed: list[int] = []

    def kill(rows: int, _: int) -> None:
        if rows and not killed:
            for child in psutil.Process().children():
                if child.name() == "gpg":
                    child.kill()
                    killed.append(child.pid)

    with fails(TransientError, "gpg was killed by signal 9"):
        stream(server, settings(), NOISE, key=key, on_progress=kill)
    assert len(killed) == 1
    assert contents(folder) == {}


@pytest.mark.parametrize("split", [None, {"rows": 50_000}])
def test_guards_are_checked_before_any_file_gets_its_final_name(
    split: Any, server: SftpServer | Sshd, folder: Path
) -> None:
    seen: list[dict[str, bytes]] = []

    def check_rows(rows: int) -> None:
        seen.append(contents(folder / "inbox"))
        raise RejectedError(f"{rows} rows are too many")

    with fails(RejectedError, "120000 rows are too many"):
        stream(server, settings(split=split), ROWS, check_rows=check_rows)
    assert len(seen[0]) == (3 if split else 1)
    assert all(name.startswith(".persado-") for name in seen[0])
    assert contents(folder) == {}


def test_a_session_that_the_site_ends_during_the_query_is_opened_again(folder: Path) -> None:
    with SftpServer(folder) as site:
        connection = duckdb.connect()

        def hang_up(number: int) -> int:
            site.hang_up()
            return number

        connection.create_function("slow", hang_up, [duckdb.sqltypes.BIGINT], duckdb.sqltypes.BIGINT)
        stream(site, settings(), "SELECT slow(1) AS i", connection=connection)
        assert len(site.logins) == 2
    assert contents(folder) == {"inbox/out.csv": b"i\n1\n"}


def test_a_site_that_cannot_accept_the_file_is_found_before_the_query_runs(folder: Path) -> None:
    (folder / "inbox" / "out.csv").mkdir()
    with SftpServer(folder) as site, fails(RejectedError, "/inbox/out.csv at the site is a folder"):
        stream(site, settings(), "SELECT nonsense")


def test_a_connection_lost_during_the_final_renames_is_opened_again(folder: Path) -> None:
    class Leaving(Folder):
        def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
            done = super().posix_rename(oldpath, newpath)
            if len(self.server.logins) == 1:
                self.server.hang_up()
            return done

    with SftpServer(folder, files=Leaving) as site:
        stream(site, settings(split={"rows": 50_000}), ROWS)
        assert len(site.logins) > 1
    assert [len(content.splitlines()) for _, content in sorted(contents(folder).items())] == [50_001, 50_001, 20_001]


def open_below(folder: Path) -> list[Path]:
    """Return the open files of this process in a folder, including unnamed ones."""
    found = []
    for file in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor of this listing is closed already
            if str(folder) in str(file.readlink()):
                found.append(file)
    return found


def test_no_readable_data_is_stored_on_the_disk(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = random.Random(3).randbytes(16).hex()
    stored: list[bytes] = []
    (tmp_path / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))

    def check(rows: int, _: int) -> None:
        assert list((tmp_path / "t").iterdir()) == []
        stored[:] = [file.read_bytes() for file in open_below(tmp_path / "t")]

    with SftpServer(folder) as site:
        stream(site, settings(encoding="tar"), f"SELECT '{noise}' AS customer FROM range(50000)", on_progress=check)
    assert [len(content) for content in stored] == [len("customer\n") + 50_000 * 33]
    assert noise.encode() not in stored[0]
    assert contents(folder)["inbox/out.csv"].count(noise.encode()) == 50_000
