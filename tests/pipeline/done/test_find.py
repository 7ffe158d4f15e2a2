"""Which `.DONE` files are found, and what is read from them."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncssh import SFTPPermissionDenied
from support.sites.sftp_server import Folder, SftpServer

from persado.errors import ConfigurationError, RejectedError
from persado.pipeline.done.find import MANIFEST_LIMIT, DoneFile, find_newest, list_files, moment, read_manifest
from persado.pipeline.done.pattern import DonePath
from persado.pipeline.done.seen import LIMIT, Seen
from persado.pipeline.site.connect import connect

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


def put(path: Path, when: datetime = NOON, content: bytes = b"") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (when.timestamp(), when.timestamp()))


@pytest.mark.parametrize("path", ["a.DONE", "", "/", "/in/", "/in/**/a.DONE"])
def test_invalid_paths(path: str) -> None:
    with pytest.raises(ConfigurationError, match="path "):
        DonePath.parse(path)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("/in/*.DONE", "a.csv.DONE", True),
        ("/in/*.DONE", ".a.DONE", False),
        ("/in/*.DONE", "a.done", False),
        ("/in/.*.part", ".a.part", True),
        ("/in/a?.DONE", "ab.DONE", True),
        ("/in/[[]a].DONE", "[a].DONE", True),
        ("/in/a.DONE", "a.DONE", True),
        ("/in/a.DONE", "b.DONE", False),
    ],
)
def test_which_names_match(pattern: str, name: str, matches: bool) -> None:
    assert DonePath.parse(pattern).matches(name) is matches


def test_a_space_may_be_written_as_in_a_remote_folder() -> None:
    assert str(DonePath.parse(r"/From\ ACME/a.DONE")) == "/From ACME/a.DONE"


def test_the_newest_match_is_found(tmp_path: Path) -> None:
    put(tmp_path / "a.DONE")
    put(tmp_path / "b.DONE", NOON.replace(hour=13))
    put(tmp_path / "c.csv", NOON.replace(hour=14))
    put(tmp_path / ".d.DONE", NOON.replace(hour=15))
    put(tmp_path / "folder.DONE" / "inner")
    (tmp_path / "link.DONE").symlink_to("a.DONE")
    with SftpServer(tmp_path) as server, connect(server.site()) as session:
        every = DonePath.parse("/*.DONE")
        assert find_newest(session, every, None) == DoneFile(path="/b.DONE", size=0, mtime=NOON.replace(hour=13))
        assert find_newest(session, every, NOON.replace(hour=13, microsecond=5)) is not None
        assert find_newest(session, every, NOON.replace(hour=13, second=1)) is None
        assert find_newest(session, DonePath.parse("/link*"), None) == DoneFile(path="/link.DONE", size=0, mtime=NOON)
        assert find_newest(session, DonePath.parse("/none/*.DONE"), None) is None
        assert find_newest(session, DonePath.parse("/none.DONE"), None) is None
        assert find_newest(session, DonePath.parse("/folder.DONE"), None) is None


def test_wildcards_in_the_names_of_folders(tmp_path: Path) -> None:
    for name, hour in (("2026/a/out.DONE", 1), ("2026/b/out.DONE", 2), ("2025/a/out.DONE", 3), ("2026/out.DONE", 4)):
        put(tmp_path / name, NOON.replace(hour=hour))
    (tmp_path / "2027").symlink_to("2026")
    (tmp_path / "2028").symlink_to("nowhere")
    with SftpServer(tmp_path) as server, connect(server.site()) as session:

        def found(path: str) -> str | None:
            file = find_newest(session, DonePath.parse(path), None)
            return file.path if file else None

        assert found("/*/*/out.DONE") == found("/202[56]/a/*.DONE") == "/2025/a/out.DONE"
        assert found("/2026/*/out.DONE") == "/2026/b/out.DONE"
        assert found("/2027/*/out.DONE") == "/2027/b/out.DONE"
        assert found("/20?7/a/out.DONE") == "/2027/a/out.DONE"
        assert found("/*/out.DONE") in ("/2026/out.DONE", "/2027/out.DONE")
        assert found("/*/none/*.DONE") is found("/none/*/out.DONE") is found("/2026/*/*/out.DONE") is None
        assert list_files(session, "/none") is list_files(session, "/none*") is None
        assert list_files(session, "/2025") == []


def test_wildcards_skip_private_folders(tmp_path: Path) -> None:
    class Private(Folder):
        def scandir(self, path: bytes) -> Any:
            if path.startswith(b"/private"):
                raise SFTPPermissionDenied("Permission denied")
            return super().scandir(path)

        def stat(self, path: bytes) -> Any:
            if path.startswith(b"/private/"):
                raise SFTPPermissionDenied("Permission denied")
            return super().stat(path)

    put(tmp_path / "public" / "sub" / "a.DONE")
    put(tmp_path / "private" / "sub" / "a.DONE", NOON.replace(hour=13))
    with SftpServer(tmp_path, files=Private) as server, connect(server.site()) as session:
        for path in ("/*/sub/*.DONE", "/*/*/a.DONE", "/*/sub/a.DONE"):
            assert find_newest(session, DonePath.parse(path), None) == DoneFile(
                path="/public/sub/a.DONE", size=0, mtime=NOON
            )
        for path in ("/private/*.DONE", "/private/*/a.DONE", "/private/sub/a.DONE"):
            with pytest.raises(RejectedError, match=r"/private\S*: the site does not permit it"):
                find_newest(session, DonePath.parse(path), None)


def test_a_name_that_is_not_utf8_does_not_hide_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "persado.pipeline")
    put(tmp_path / "ü 日本.DONE")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.DONE")).touch()
    for number in range(300):
        (tmp_path / f"{number}.csv").touch()
    with SftpServer(tmp_path) as server, connect(server.site()) as session:
        found = find_newest(session, DonePath.parse("/*.DONE"), None)
        assert found == DoneFile(path="/ü 日本.DONE", size=0, mtime=NOON)
        assert sorted(session.listdir("/")) == sorted(["ü 日本.DONE", *(f"{number}.csv" for number in range(300))])
        assert len(list(session.listdir_iter("/"))) == 301
        # The session still works.
        assert session.stat("/0.csv").st_size == 0
    assert [text for text in caplog.messages if "UTF-8" in text] == ["/: ignoring names that are not UTF-8: 1"]


def test_a_manifest_is_a_small_json_object(tmp_path: Path) -> None:
    manifest: dict[str, Any] = {"files": [{"name": "a.csv", "bytes": 3}], "rows": 1}
    put(tmp_path / "json.DONE", content=json.dumps(manifest).encode())
    put(tmp_path / "text.DONE", content=b"done")
    put(tmp_path / "large.DONE", content=b"[" + b" " * MANIFEST_LIMIT + b"]")
    with SftpServer(tmp_path) as server, connect(server.site()) as session:
        found = {
            name: find_newest(session, DonePath.parse(f"/{name}.DONE"), None) for name in ("json", "text", "large")
        }
    assert [file and file.manifest for file in found.values()] == [manifest, None, None]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1]",
        b"\xff",
        b'{"a": NaN}',
        b'{"a": "\\u0000"}',
        b'{"a": "\\ud800"}',
        b'{"a": [{"__classname__": "os.system", "__version__": 1, "__data__": "id"}]}',
        b'{"a":' * 20 + b"1" + b"}" * 20,
        b"[" * 100_000,
    ],
)
def test_dangerous_content_is_not_a_manifest(content: bytes) -> None:
    assert read_manifest(content) is None


def test_moments() -> None:
    assert moment(None) is moment("") is None
    assert (
        moment("2026-03-05 13:00:00+01:00") == moment("2026-03-05T12:00Z") == moment(NOON.replace(tzinfo=None)) == NOON
    )
    assert moment("2026-03-05") == moment(date(2026, 3, 5)) == NOON.replace(hour=0)
    values: list[Any] = ["None", "yesterday", "0001-01-01T00:00:00+14:00", timedelta(hours=1), 1_764_000_000, ["2026"]]
    for value in values:
        with pytest.raises(ConfigurationError, match="newer_than: expected a date and time in ISO form"):
            moment(value)


def test_files_stay_reported_when_their_stamps_are_dropped() -> None:
    files = [DoneFile(path=f"/{n}.DONE", size=0, mtime=datetime.fromtimestamp(n, UTC)) for n in range(LIMIT + 10)]
    seen = Seen()
    for file in files:
        assert seen.is_new(file.path, file)
        seen = seen.add(file.path, file)
    assert len(seen.stamps) == LIMIT
    again = Seen.from_state(json.loads(json.dumps(seen.as_state())))
    assert not any(again.is_new(file.path, file) for file in files)
    assert again.is_new(files[-1].path, files[-1].model_copy(update={"size": 1}))
    assert again.is_new(files[0].path, files[0].model_copy(update={"mtime": NOON}))
