"""An upload continues where it ended: what has arrived intact is not sent again."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from support.expect import fails
from support.sites.faulty import faulty, hang_up_before
from support.sites.folder import contents
from support.sites.sending import NOISE, SMALL, send, temporary
from support.sites.sftp_server import Folder, SftpServer

from persado.errors import TransientError
from persado.pipeline.site.reconnect import ATTEMPTS
from persado.pipeline.upload.transfer import BLOCK, TAIL

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


def test_arrived_data_is_not_sent_again(folder: Path) -> None:
    with SftpServer(folder, files=faulty("write", hang_up_before, {50})) as server:
        send(server, {"a.csv": NOISE})
        assert [offset for _, offset, _ in server.written].count(0) == 1
        assert sum(size for _, _, size in server.written) < len(NOISE) + 1_000_000
        assert [operation.path for operation in server.changes() if operation.name == "create"][1:] == [
            temporary("/inbox/a.csv", 1, NOISE)
        ]
    assert contents(folder / "inbox") == {"a.csv": NOISE}


def test_the_next_try_continues(folder: Path) -> None:
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


def test_other_content_or_another_delivery_does_not_continue(folder: Path) -> None:
    left = Path(temporary(str(folder / "inbox" / "a.csv"), 1, SMALL))
    left.write_bytes(NOISE[:1000])
    with SftpServer(folder) as server:
        send(server, {"a.csv": NOISE})
        send(server, {"b.csv": SMALL}, delivery_id="another")
        assert sum(size for _, _, size in server.written) == len(NOISE) + len(SMALL)


def test_a_file_that_cannot_be_read_is_sent_again(folder: Path) -> None:
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


def test_holes_near_the_end_are_detected(folder: Path) -> None:
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
def test_a_file_of_an_earlier_try_is_compared_as_a_whole(verify: str, folder: Path) -> None:
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


def test_upload_reconnects_as_long_as_there_is_progress(folder: Path) -> None:
    content = random.Random(2).randbytes(4_000_000)
    with SftpServer(folder, files=faulty("write", hang_up_before, range(20, 1000, 20))) as server:
        send(server, {"a.csv": content})
        assert len(server.logins) > ATTEMPTS
    assert contents(folder / "inbox") == {"a.csv": content}
