"""What every site must support, tested with three real servers: asyncssh, OpenSSH's sshd and ProFTPD's mod_sftp."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.expect import fails
from support.sites.folder import contents
from support.sites.proftpd import Proftpd
from support.sites.sending import (
    DELIVERY,
    DONE,
    LARGE,
    NOISE,
    SMALL,
    Server,
    delivered,
    digest,
    finish,
    send,
    temporary,
)

from persado.errors import RejectedError, TransientError
from persado.pipeline.site.extensions import free_bytes
from persado.pipeline.upload import staged as upload
from persado.pipeline.upload import transfer
from persado.pipeline.upload import verify as verification
from persado.pipeline.upload.lock_file import Holder, files_digest
from persado.pipeline.upload.temporary_names import lock_path
from persado.settings.models.quirks import Quirks

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")

FILES = {"a.csv": LARGE, "sub/b.csv": SMALL}


def test_files_arrive_whole(server: Server, folder: Path) -> None:
    files = {
        "engagement.csv.gz.pgp": NOISE,
        "empty.csv": b"",
        "2026/10/07/segment.csv": SMALL,
        "From ACME/Übersicht 週 🙂.csv": SMALL,
        "x" * 251 + ".csv": SMALL,
    }
    sent: list[int] = []
    send(server, files, on_bytes=sent.append)
    assert contents(folder / "inbox") == files
    assert sum(sent) == sum(map(len, files.values()))


def test_a_remote_folder_with_a_space(server: Server, folder: Path) -> None:
    (folder / "From ACME é").mkdir()
    send(server, {"a.csv": SMALL}, remote_folder="From ACME é")
    assert contents(folder / "From ACME é") == {"a.csv": SMALL}


def test_older_files_are_replaced_and_a_stale_done_is_removed(server: Server, folder: Path) -> None:
    for name in ("a.csv", "b.csv", "a.csv.DONE", "other.csv.DONE"):
        (folder / "inbox" / name).write_bytes(b"old")
    send(server, {"a.csv": NOISE, "b.csv": b""}, done="a.csv.DONE")
    assert contents(folder / "inbox") == {"a.csv": NOISE, "b.csv": b"", "other.csv.DONE": b"old"}


def test_a_stale_done_is_removed_even_if_none_follows(server: Server, folder: Path) -> None:
    for name in ("a.csv", DONE):
        (folder / "inbox" / name).write_bytes(b"old")
    send(server, {"a.csv": SMALL}, done=DONE, done_follows=False)
    assert contents(folder / "inbox", locks=True) == {"a.csv": SMALL}


def test_further_parts_of_an_earlier_delivery_are_removed(server: Server, folder: Path) -> None:
    for name in ("1.csv", "3.csv", "4.csv", "6.csv", "a.DONE"):
        (folder / "inbox" / name).write_bytes(b"old")
    parts = {"1.csv": SMALL, "2.csv": LARGE}

    def part_path(number: int) -> str:
        return server.remote(f"inbox/{number}.csv")

    with fails(RejectedError, "inbox/1.csv already exists at the site"):
        send(server, parts, done="a.DONE", part_path=part_path, if_exists="fail")
    send(server, parts, done="a.DONE", part_path=part_path)
    # A file after a gap is not a part.
    assert contents(folder / "inbox") == {**parts, "6.csv": b"old"}


def test_if_exists_fail(server: Server, folder: Path) -> None:
    (folder / "inbox" / "b.csv").write_bytes(b"old")
    (folder / "inbox" / "a.csv.DONE").write_bytes(b"")
    with fails(RejectedError, "inbox/b.csv already exists at the site", "if_exists"):
        send(server, {"a.csv": SMALL, "b.csv": SMALL}, if_exists="fail", done="a.csv.DONE")
    assert contents(folder / "inbox") == {"b.csv": b"old", "a.csv.DONE": b""}
    send(server, {"c.csv": SMALL}, if_exists="fail")
    assert (folder / "inbox" / "c.csv").read_bytes() == SMALL


def test_a_missing_remote_folder_is_not_created(server: Server, folder: Path) -> None:
    with fails(RejectedError, f"remote folder {server.remote('nowhere')}: there is no such folder", "remote_folder"):
        send(server, {"a.csv": SMALL}, remote_folder="nowhere")
    with fails(RejectedError, "there is no such folder"):
        send(server, {"2026/a.csv": SMALL}, remote_folder="nowhere/at all")
    assert contents(folder) == {}
    assert [path.name for path in folder.iterdir()] == ["inbox"]


def test_a_file_where_a_folder_is_needed(server: Server, folder: Path) -> None:
    (folder / "inbox" / "2026").write_bytes(b"")
    with fails(RejectedError, f"remote folder {server.remote('inbox/2026')}: that is a file"):
        send(server, {"a.csv": SMALL}, remote_folder="inbox/2026")
    with fails(RejectedError, "inbox/2026 at the site is a file"):
        send(server, {"2026/a.csv": SMALL})
    assert contents(folder / "inbox") == {"2026": b""}


def test_a_folder_where_a_file_is_needed(server: Server, folder: Path) -> None:
    (folder / "inbox" / "a.csv").mkdir()
    with fails(RejectedError, "inbox/a.csv at the site is a folder"):
        send(server, {"a.csv": SMALL})
    assert contents(folder) == {}


def test_data_of_an_interrupted_try_is_used_only_if_it_matches(server: Server, folder: Path) -> None:
    for left in (NOISE[:1_500_000], NOISE[:-1] + b"?", NOISE + NOISE, b"x" * 1_500_000):
        Path(temporary(str(folder / "inbox" / "a.csv"), 1, NOISE)).write_bytes(left)
        send(server, {"a.csv": NOISE})
        assert contents(folder / "inbox") == {"a.csv": NOISE}


# Folders


def test_create_remote_folder(server: Server, folder: Path) -> None:
    for _ in range(2):
        send(server, {"2026/a.csv": SMALL}, remote_folder="new/From ACME", create_remote_folder=True)
    assert contents(folder / "new") == {"From ACME/2026/a.csv": SMALL}


# The success file


@pytest.mark.parametrize("name", [DONE, "From ACME ü " + "x" * 200 + ".DONE"])
def test_a_complete_delivery(name: str, server: Server, folder: Path) -> None:
    (folder / "inbox" / name).write_bytes(b"stale")
    for _ in range(2):  # a second time it replaces the first
        send(server, FILES, done=name)
        assert contents(folder / "inbox") == FILES
        finish(server, FILES, name)
        assert contents(folder / "inbox", locks=True) == {**FILES, name: b""}


def test_a_manifest(server: Server, folder: Path) -> None:
    send(server, FILES, done=DONE)
    finish(server, FILES, DONE, with_manifest=True)
    written = json.loads((folder / "inbox" / DONE).read_bytes())
    assert written == {
        "delivery_id": DELIVERY,
        "rows": sum(content.count(b"\n") for content in FILES.values()),
        "key_fingerprint": "AB" * 20,
        "files": [
            {"name": file.name.rpartition("/")[2], "path": file.remote_path, "bytes": file.bytes}
            | {"sha256": file.sha256, "rows": file.rows}
            for file in delivered(server, FILES)
        ],
    }


@pytest.mark.parametrize("other", [b"", SMALL, LARGE[:-1] + b"?"], ids=["empty", "smaller", "changed"])
def test_no_done_for_a_file_of_another_delivery(other: bytes, server: Server, folder: Path) -> None:
    (folder / "inbox" / "a.csv").write_bytes(other)
    with fails(RejectedError, "inbox/a.csv: expected", "is not what this delivery sent", "clear the task 'extract'"):
        finish(server, {"a.csv": LARGE}, DONE)
    assert contents(folder / "inbox", locks=True) == {"a.csv": other}


def test_done_can_be_written_again(server: Server, folder: Path) -> None:
    send(server, FILES, done=DONE)
    for _ in range(2):
        finish(server, FILES, DONE)
        (folder / "inbox" / DONE).unlink()
    finish(server, FILES, DONE)
    assert contents(folder / "inbox", locks=True) == {**FILES, DONE: b""}


# Verification


@pytest.mark.parametrize("verify", ["read_back", "server_hash"])
def test_arrived_files_are_verified(
    verify: str, server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    send(server, {**FILES, "empty.csv": b""}, verify=verify)
    assert contents(folder / "inbox") == {**FILES, "empty.csv": b""}
    assert caplog.text.count("the SHA-256 at the site matches") == 2
    assert ("reading the file back instead" in caplog.text) == (
        verify == "server_hash" and not isinstance(server, Proftpd)
    )


@pytest.mark.parametrize("verify", ["read_back", "server_hash"])
def test_a_damaged_file_is_not_renamed(
    verify: str, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send_and_spoil(*arguments: Any, **options: Any) -> int:
        trusted = arrive(*arguments, **options)
        (left,) = (folder / "inbox").glob(".persado-*.part")
        left.write_bytes(LARGE[:-1] + b"?")
        return trusted

    arrive = transfer.send
    (folder / "inbox" / "a.csv").write_bytes(b"old")
    monkeypatch.setattr(upload, "send", send_and_spoil)
    with fails(TransientError, f"expected the SHA-256 {digest(LARGE)} at the site, found "):
        send(server, {"a.csv": LARGE}, verify=verify, done=DONE)
    assert contents(folder / "inbox", locks=True) == {"a.csv": b"old"}


def test_a_large_file_is_read_back_in_windows(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "WINDOW", 1 << 18)
    send(server, {"a.csv": NOISE}, verify="read_back")
    assert contents(folder / "inbox") == {"a.csv": NOISE}


# Space


def test_nothing_is_sent_without_enough_free_space(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []

    def little(*arguments: Any) -> int | None:
        asked.append(free_bytes(*arguments))
        return 1000

    monkeypatch.setattr(upload, "free_bytes", little)
    with fails(TransientError, "400,000 bytes are to be sent, but the site has room for 1,000", "Nothing was sent"):
        send(server, {"a.csv": LARGE})
    assert contents(folder / "inbox", locks=True) == {}
    # All three servers report the real free space.
    found = os.statvfs(folder)
    assert asked[0] is not None
    assert abs(asked[0] - found.f_bavail * found.f_frsize) < 2_000_000_000
    Path(temporary(str(folder / "inbox" / "a.csv"), 1, LARGE)).write_bytes(LARGE[:-500])
    send(server, {"a.csv": LARGE})
    assert contents(folder / "inbox") == {"a.csv": LARGE}


# The next try after a killed one


@pytest.mark.parametrize("if_exists", ["replace", "fail"])
def test_files_that_a_killed_try_renamed_belong_to_the_delivery(if_exists: str, server: Server, folder: Path) -> None:
    inbox, sent = folder / "inbox", list[int]()
    # The state after a worker was killed between two renames.
    (inbox / "sub").mkdir()
    (inbox / "a.csv").write_bytes(LARGE)
    Path(temporary(str(inbox / "sub" / "b.csv"), 2, SMALL)).write_bytes(SMALL)
    placing = files_digest((file.remote_path, file.sha256) for file in delivered(server, FILES))
    lock = Path(lock_path(server.remote("inbox/a.csv")))
    (inbox / lock.name).write_bytes(Holder(DELIVERY, "killed", placing).serialize())
    with fails(RejectedError, "inbox/a.csv already exists at the site"):
        send(server, {"a.csv": SMALL}, delivery_id="f" * 16, if_exists="fail", quirks=Quirks(lock_file=False))
    send(server, FILES, done=DONE, if_exists=if_exists, on_bytes=sent.append)
    assert sent == []
    finish(server, FILES, DONE)
    assert contents(inbox, locks=True) == {**FILES, DONE: b""}
    with fails(RejectedError, "inbox/a.csv already exists at the site"):
        send(server, FILES, done=DONE, if_exists="fail")


# Quirks


@pytest.mark.parametrize("quirk", ["posix_rename", "hidden_names", "lock_file", "stat_after_rename"])
def test_a_delivery_to_a_site_with_a_quirk(quirk: str, server: Server, folder: Path) -> None:
    quirks = Quirks(**{quirk: False})
    (folder / "inbox" / "a.csv").write_bytes(b"old")
    send(server, FILES, done=DONE, quirks=quirks)
    if quirk == "stat_after_rename":
        (folder / "inbox" / "a.csv").unlink()
    finish(server, FILES, DONE, quirks=quirks)
    taken = {"a.csv"} if quirk == "stat_after_rename" else set()
    assert set(contents(folder / "inbox", locks=True)) == {*FILES, DONE} - taken
