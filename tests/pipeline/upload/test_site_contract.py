"""What every site must allow, proven against three real servers: asyncssh, OpenSSH's sshd and ProFTPD's mod_sftp."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.expect import fails, nothing_left_behind, short_pauses
from support.sites.folder import contents
from support.sites.proftpd import Proftpd
from support.sites.sending import (
    DELIVERY,
    NOISE,
    SMALL,
    Server,
    delivered,
    digest,
    finish,
    folder,
    send,
    server,
    temporary,
)

from persado.errors import RejectedError, TransientError
from persado.pipeline.site.extensions import free_bytes
from persado.pipeline.upload import staged as upload
from persado.pipeline.upload import transfer
from persado.pipeline.upload import verify as verification
from persado.pipeline.upload.lock_file import Holder, files_digest
from persado.pipeline.upload.temporary_names import lock_path, temporary_path
from persado.settings.models.quirks import Quirks

__all__ = ["folder", "nothing_left_behind", "server", "short_pauses"]

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")

LARGE = NOISE[:400_000]
FILES = {"a.csv": LARGE, "sub/b.csv": SMALL}
DONE = "a.csv.DONE"


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


def test_older_files_are_replaced_and_a_stale_done_goes(server: Server, folder: Path) -> None:
    for name in ("a.csv", "b.csv", "a.csv.DONE", "other.csv.DONE"):
        (folder / "inbox" / name).write_bytes(b"old")
    send(server, {"a.csv": NOISE, "b.csv": b""}, done="a.csv.DONE")
    assert contents(folder / "inbox") == {"a.csv": NOISE, "b.csv": b"", "other.csv.DONE": b"old"}


def test_a_stale_done_goes_where_none_follows(server: Server, folder: Path) -> None:
    for name in ("a.csv", DONE):
        (folder / "inbox" / name).write_bytes(b"old")
    send(server, {"a.csv": SMALL}, done=DONE, done_follows=False)
    assert contents(folder / "inbox", locks=True) == {"a.csv": SMALL}


def test_parts_of_an_earlier_delivery_of_more_parts_go(server: Server, folder: Path) -> None:
    for name in ("1.csv", "3.csv", "4.csv", "6.csv", "a.DONE"):
        (folder / "inbox" / name).write_bytes(b"old")
    parts = {"1.csv": SMALL, "2.csv": LARGE}

    def part_path(number: int) -> str:
        return server.remote(f"inbox/{number}.csv")

    with fails(RejectedError, "inbox/1.csv is at the site already"):
        send(server, parts, done="a.DONE", part_path=part_path, if_exists="fail")
    send(server, parts, done="a.DONE", part_path=part_path)
    # What follows a gap is nobody's part.
    assert contents(folder / "inbox") == {**parts, "6.csv": b"old"}


def test_if_exists_fail(server: Server, folder: Path) -> None:
    (folder / "inbox" / "b.csv").write_bytes(b"old")
    (folder / "inbox" / "a.csv.DONE").write_bytes(b"")
    with fails(RejectedError, "inbox/b.csv is at the site already", "if_exists"):
        send(server, {"a.csv": SMALL, "b.csv": SMALL}, if_exists="fail", done="a.csv.DONE")
    assert contents(folder / "inbox") == {"b.csv": b"old", "a.csv.DONE": b""}
    send(server, {"c.csv": SMALL}, if_exists="fail")
    assert (folder / "inbox" / "c.csv").read_bytes() == SMALL


def test_the_remote_folder_is_never_made(server: Server, folder: Path) -> None:
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


def test_another_delivery_is_left_alone(server: Server, folder: Path) -> None:
    other = Path(temporary_path(str(folder / "inbox" / "a.csv"), "another", 1))
    other.write_bytes(b"half")
    send(server, {"a.csv": SMALL})
    assert contents(folder / "inbox") == {"a.csv": SMALL, other.name: b"half"}


def test_what_a_cut_short_try_left_is_used_only_if_it_is_right(server: Server, folder: Path) -> None:
    for left in (NOISE[:1_500_000], NOISE[:-1] + b"?", NOISE + NOISE, b"x" * 1_500_000):
        Path(temporary(str(folder / "inbox" / "a.csv"), 1, NOISE)).write_bytes(left)
        send(server, {"a.csv": NOISE})
        assert contents(folder / "inbox") == {"a.csv": NOISE}


# Folders


def test_the_remote_folder_is_made_if_that_is_wanted(server: Server, folder: Path) -> None:
    for _ in range(2):
        send(server, {"2026/a.csv": SMALL}, remote_folder="new/From ACME", create_remote_folder=True)
    assert contents(folder / "new") == {"From ACME/2026/a.csv": SMALL}


# The success file


@pytest.mark.parametrize("name", [DONE, "From ACME ü " + "x" * 200 + ".DONE"])
def test_a_delivery_from_the_first_byte_to_done(name: str, server: Server, folder: Path) -> None:
    (folder / "inbox" / name).write_bytes(b"stale")
    for _ in range(2):  # a second time it replaces the first
        send(server, FILES, done=name)
        assert contents(folder / "inbox") == FILES
        finish(server, FILES, name)
        assert contents(folder / "inbox", locks=True) == {**FILES, name: b""}


def test_a_manifest(server: Server, folder: Path) -> None:
    send(server, FILES, done=DONE)
    finish(server, FILES, DONE, with_manifest=True)
    told = json.loads((folder / "inbox" / DONE).read_bytes())
    assert told == {
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
def test_no_done_for_what_is_another_ones(other: bytes, server: Server, folder: Path) -> None:
    (folder / "inbox" / "a.csv").write_bytes(other)
    with fails(
        RejectedError, "inbox/a.csv: expected", "is not what this delivery has sent", "clear the task 'extract'"
    ):
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
def test_what_arrived_is_verified(verify: str, server: Server, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    send(server, {**FILES, "empty.csv": b""}, verify=verify)
    assert contents(folder / "inbox") == {**FILES, "empty.csv": b""}
    assert caplog.text.count("the SHA-256 at the site is right") == 2
    assert ("is read back instead" in caplog.text) == (verify == "server_hash" and not isinstance(server, Proftpd))


@pytest.mark.parametrize("verify", ["read_back", "server_hash"])
def test_what_arrived_wrong_gets_no_name(
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


def test_a_site_without_room_is_sent_nothing(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []

    def little(*arguments: Any) -> int | None:
        asked.append(free_bytes(*arguments))
        return 1000

    monkeypatch.setattr(upload, "free_bytes", little)
    with fails(TransientError, "400,000 bytes are to be sent, but the site has room for 1,000", "Nothing was sent"):
        send(server, {"a.csv": LARGE})
    assert contents(folder / "inbox", locks=True) == {}
    # All three tell the truth.
    found = os.statvfs(folder)
    assert asked[0] is not None
    assert abs(asked[0] - found.f_bavail * found.f_frsize) < 2_000_000_000
    Path(temporary(str(folder / "inbox" / "a.csv"), 1, LARGE)).write_bytes(LARGE[:-500])
    send(server, {"a.csv": LARGE})
    assert contents(folder / "inbox") == {"a.csv": LARGE}


# What others have left


def test_abandoned_files_are_swept_and_nothing_else(server: Server, folder: Path) -> None:
    inbox, old = folder / "inbox", time.time() - 4 * 24 * 3600

    def put(name: str, age: float = old) -> str:
        (inbox / name).write_bytes(b"x")
        os.utime(inbox / name, (age, age))
        return name

    gone = [
        put(f".persado-{'d' * 16}-0000001-{'0' * 16}.part"),
        put(f"persado-{'d' * 16}-0000002-{'0' * 16}-replaced.part"),
        put(f".persado-{'1' * 16}.lock"),
        put(f".persado-{DELIVERY}-0000001-{'0' * 16}.part", time.time()),  # of another content
    ]
    kept = {
        put("foreign.csv"),
        put(".persado-notes.part"),
        put(".persado.lock"),
        put(f".persado-{'e' * 16}-0000001-{'0' * 16}.part"),
        put(f".persado-{'e' * 16}-0000002-{'0' * 16}.part", time.time()),  # it is running still
        put(f".persado-{'2' * 16}.lock", time.time()),
    }
    send(server, {"a.csv": SMALL})
    assert set(contents(inbox, locks=True)) == kept | {"a.csv"}
    assert not kept & set(gone)


def test_abandoned_files_in_the_folders_of_earlier_days_are_swept(server: Server, folder: Path) -> None:
    days = {"2025/12/31": 4, "2026/01/01": 3.5, "2026/01/02": 2, "2025/11/01": 60, "2026/notes/x": 4}
    left = f".persado-{'d' * 16}-0000001-{'0' * 16}.part"
    for day, age in days.items():
        path = folder / "inbox" / day
        path.mkdir(parents=True)
        (path / left).write_bytes(b"x")
        (path / "out.csv").write_bytes(b"x")
        moment = time.time() - age * 24 * 3600
        for changed in (path / left, path):
            os.utime(changed, (moment, moment))
    os.utime(folder / "inbox" / "2025" / "11", (0, 0))
    send(server, {"2026/01/05/out.csv": SMALL})
    found = contents(folder / "inbox", locks=True)
    assert {path for path in found if path.endswith(".part")} == {f"2026/01/02/{left}", f"2025/11/01/{left}"}
    assert len(found) == 2 + len(days) + 1


# Two deliveries of one name


@pytest.mark.parametrize("finished", [False, True])
def test_the_second_of_two_deliveries_waits(finished: bool, server: Server, folder: Path) -> None:
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
            # As a worker leaves it that was killed long ago.
            (lock,) = (folder / "inbox").glob(".persado-*.lock")
            os.utime(lock, (time.time() - 1000,) * 2)
    finally:
        second.join()
    assert contents(folder / "inbox", locks=True) == {"a.csv": SMALL} | ({DONE: b""} if finished else {})


def test_the_second_of_two_deliveries_fails_if_that_is_wanted(server: Server, folder: Path) -> None:
    send(server, {"a.csv": LARGE}, done=DONE)
    with fails(RejectedError, f"delivery {DELIVERY} is writing the same names", "if_busy: wait"):
        send(server, {"a.csv": SMALL}, delivery_id="f" * 16, if_busy="fail")
    send(server, {"b.csv": SMALL}, delivery_id="f" * 16, if_busy="fail")
    finish(server, {"a.csv": LARGE}, DONE)
    assert contents(folder / "inbox", locks=True) == {"a.csv": LARGE, "b.csv": SMALL, DONE: b""}


def test_a_delivery_that_was_overtaken_gets_no_done(server: Server, folder: Path) -> None:
    send(server, {"a.csv": LARGE}, done=DONE)
    (lock,) = (folder / "inbox").glob(".persado-*.lock")
    os.utime(lock, (time.time() - 1000,) * 2)
    other = LARGE[::-1]
    send(server, {"a.csv": other}, delivery_id="f" * 16, done=DONE)
    finish(server, {"a.csv": other}, DONE, delivery_id="f" * 16)
    with fails(RejectedError, "is not what this delivery has sent"):
        finish(server, {"a.csv": LARGE}, DONE)


def test_a_try_that_was_overtaken_by_the_next_one_stops(server: Server, folder: Path) -> None:
    told: list[int] = []

    def overtake(count: int) -> None:
        if not told:
            told.append(count)
            send(server, {"a.csv": LARGE}, done=DONE)

    with fails(TransientError):
        send(server, {"a.csv": LARGE}, done=DONE, on_bytes=overtake)
    finish(server, {"a.csv": LARGE}, DONE)
    assert contents(folder / "inbox", locks=True) == {"a.csv": LARGE, DONE: b""}


# The next try of a killed one


@pytest.mark.parametrize("if_exists", ["replace", "fail"])
def test_what_the_killed_try_has_put_in_place_is_its_own(if_exists: str, server: Server, folder: Path) -> None:
    inbox, sent = folder / "inbox", list[int]()
    # As a worker leaves it that is killed between two renames.
    (inbox / "sub").mkdir()
    (inbox / "a.csv").write_bytes(LARGE)
    Path(temporary(str(inbox / "sub" / "b.csv"), 2, SMALL)).write_bytes(SMALL)
    placing = files_digest((file.remote_path, file.sha256) for file in delivered(server, FILES))
    lock = Path(lock_path(server.remote("inbox/a.csv")))
    (inbox / lock.name).write_bytes(Holder(DELIVERY, "killed", placing).write())
    with fails(RejectedError, "inbox/a.csv is at the site already"):
        send(server, {"a.csv": SMALL}, delivery_id="f" * 16, if_exists="fail", quirks=Quirks(lock_file=False))
    send(server, FILES, done=DONE, if_exists=if_exists, on_bytes=sent.append)
    assert sent == []
    finish(server, FILES, DONE)
    assert contents(inbox, locks=True) == {**FILES, DONE: b""}
    with fails(RejectedError, "inbox/a.csv is at the site already"):
        send(server, FILES, done=DONE, if_exists="fail")


def test_a_lock_that_was_never_written_holds_nobody_for_long(server: Server, folder: Path) -> None:
    lock = folder / "inbox" / Path(lock_path(server.remote("inbox/a.csv"))).name
    lock.touch()
    send(server, {"a.csv": SMALL})
    assert contents(folder / "inbox", locks=True) == {"a.csv": SMALL}


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
