"""What encode writes is read by programs that know nothing of it: gzip, unzip, GNU tar, Python's own readers."""

import gzip
import io
import os
import random
import struct
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING, BinaryIO, cast, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.files.openers import run, unpacked

from persado.pipeline.encode.compress import Compression
from persado.pipeline.encode.encode import encoded
from persado.pipeline.encode.formats import member_name
from persado.pipeline.encode.zip_archive import Zip
from persado.settings.models.setting_values import Compressor, Encoding

if TYPE_CHECKING:
    from typing_extensions import Buffer

GIB = 1 << 30
ARCHIVES: list[Encoding] = ["zip", "tar", "tgz"]
MEMBERS = {
    "2026.csv": b"Hashed_Email,gender\r\n" + b"d41d8cd98f00b204e9800998ecf8427e,\xc3\xa9\r\n" * 5000,
    "noise.bin": random.Random(1).randbytes(300_000),
    "empty.csv": b"",
    "x" * 200 + ".csv": b"a long name",
    "Übersicht 週 🙂.csv": b"no ASCII name",
}


def encode(encoding: Encoding, members: dict[str, bytes], *, step: int = 65536, zip64: bool = False) -> bytes:
    sink = io.BytesIO()
    write(sink, encoding, members, step=step, zip64=zip64)
    return sink.getvalue()


def write(
    sink: BinaryIO, encoding: Encoding, members: dict[str, bytes], *, step: int = 65536, zip64: bool = False
) -> None:
    with encoded(sink, encoding, zip64=zip64) as encoder:
        for name, content in members.items():
            with encoder.member(name, len(content)) as member:
                for start in range(0, len(content), step):
                    member.write(content[start : start + step])


def decode(done: bytes, encoding: Encoding) -> dict[str, bytes]:
    """Decode with Python; a lone member is called "a"."""
    if encoding == "none":
        return {"a": done}
    if encoding == "gzip":
        return {"a": gzip.decompress(done)}
    if encoding == "zip":
        with zipfile.ZipFile(io.BytesIO(done)) as archive:
            assert archive.testzip() is None
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(fileobj=io.BytesIO(done), mode="r:gz" if encoding == "tgz" else "r:") as archive:
        return {info.name: cast("IO[bytes]", archive.extractfile(info)).read() for info in archive}


def test_none_passes_the_bytes_on() -> None:
    assert encode("none", {"a.csv": MEMBERS["noise.bin"]}) == MEMBERS["noise.bin"]


@pytest.mark.parametrize("content", MEMBERS.values(), ids=len)
def test_gzip_is_read_by_gzip(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(encode("gzip", {"a": content}))
    run("gzip", "-t", path)
    assert run("gzip", "-dc", path) == content


@pytest.mark.parametrize("encoding", ARCHIVES)
def test_archives_are_read_by_their_programs(tmp_path: Path, encoding: Encoding) -> None:
    path = tmp_path / "archive"
    path.write_bytes(encode(encoding, MEMBERS))
    assert list(unpacked(path, encoding).items()) == list(MEMBERS.items())


@pytest.mark.parametrize("encoding", ARCHIVES)
def test_archives_are_read_by_python(encoding: Encoding) -> None:
    assert list(decode(encode(encoding, MEMBERS), encoding).items()) == list(MEMBERS.items())


@pytest.mark.parametrize("encoding", ARCHIVES)
def test_an_archive_may_be_empty(encoding: Encoding) -> None:
    assert decode(encode(encoding, {}), encoding) == {}


@pytest.mark.parametrize("encoding", get_args(Encoding))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=5000), step=st.integers(1, 6000))
def test_any_content_in_any_portions_gives_the_same_bytes(encoding: Encoding, content: bytes, step: int) -> None:
    done = encode(encoding, {"a": content}, step=step)
    assert done == encode(encoding, {"a": content}, step=5000)
    assert decode(done, encoding)["a"] == content


@pytest.mark.parametrize("encoding", get_args(Encoding))
def test_a_pipe_and_a_file_get_the_same_bytes(tmp_path: Path, encoding: Encoding) -> None:
    members = MEMBERS if encoding in ARCHIVES else {"a": MEMBERS["noise.bin"]}
    path = tmp_path / "file"
    with path.open("wb") as file:
        write(file, encoding, members)
    received = []
    out, into = os.pipe()
    with os.fdopen(out, "rb") as reader:
        thread = Thread(target=lambda: received.append(reader.read()))
        thread.start()
        with os.fdopen(into, "wb") as pipe:
            write(pipe, encoding, members)
        thread.join()
    assert received == [path.read_bytes()] == [encode(encoding, members)]


def test_gzip_holds_no_name_and_no_time() -> None:
    magic, method, flags, time = struct.unpack("<HBBL", encode("gzip", {"secret.csv": b"x"})[:8])
    assert (magic, method, flags, time) == (0x8B1F, 8, 0, 0)


def test_zip_holds_no_time_and_no_owner() -> None:
    with zipfile.ZipFile(io.BytesIO(encode("zip", MEMBERS))) as archive:
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert (info.external_attr >> 16, info.extra, info.comment) == (0o100644, b"", b"")
            assert info.extract_version == 20
            assert bool(info.flag_bits & 0x800) == (not info.filename.isascii())


def test_tar_holds_no_time_and_no_owner() -> None:
    with tarfile.open(fileobj=io.BytesIO(encode("tar", MEMBERS))) as archive:
        for info in archive:
            assert (info.mtime, info.mode, info.uid, info.gid) == (0, 0o644, 0, 0)
            assert (info.uname, info.gname, info.type) == ("", "", tarfile.REGTYPE)
            assert set(info.pax_headers) <= {"path"}
            assert bool(info.pax_headers) == (not info.name.isascii() or len(info.name) > 100)


def test_tar_is_padded_to_a_record_as_gnu_tar_does() -> None:
    assert len(encode("tar", {"a": b"x"})) == 10240


@pytest.mark.parametrize("encoding", ["gzip", "zip", "tgz"])
def test_the_compressor_and_the_level_decide_the_bytes(encoding: Encoding) -> None:
    content = b"".join(b"%07d\n" % (number % 7919) for number in range(75_000))

    def done(compressor: Compressor | None, level: int | None) -> bytes:
        sink = io.BytesIO()
        with (
            encoded(sink, encoding, compression=Compression(compressor, level)) as encoder,
            encoder.member("a", len(content)) as member,
        ):
            member.write(content)
        assert decode(sink.getvalue(), encoding)["a"] == content
        return sink.getvalue()

    assert len(done("zlib", 0)) > len(content) > len(done("zlib", 1)) > len(done("zlib", 9))
    assert done(None, None) == done("isal", None) == done("isal", 2) != done("isal", 1)
    assert done(None, 3) == done("isal", 3)
    assert done(None, 6) == done("zlib", None) == done("zlib", 6) != done("zlib", 9)


def test_zlib_gives_its_exact_bytes() -> None:
    sink = io.BytesIO()
    with encoded(sink, "gzip", compression=Compression("zlib")) as encoder, encoder.member("a") as member:
        member.write(MEMBERS["2026.csv"])
    compressor = zlib.compressobj(6, wbits=31)
    assert sink.getvalue() == compressor.compress(MEMBERS["2026.csv"]) + compressor.flush()


@pytest.mark.parametrize("encoding", ["gzip", "zip", "tgz"])
def test_large_content_gives_the_same_bytes_in_any_portions(encoding: Encoding) -> None:
    members = {"a": MEMBERS["2026.csv"] * 4 + MEMBERS["noise.bin"]}
    done = encode(encoding, members, step=1 << 20)
    assert {encode(encoding, members, step=step) == done for step in (1000, 4096, 65_537, 1 << 18, 400_000)} == {True}


def test_zip_64_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(encode("zip", MEMBERS, zip64=True))
    with zipfile.ZipFile(path) as archive:
        assert {info.extract_version for info in archive.infolist()} == {45}
        assert archive.testzip() is None
    raw = path.read_bytes()
    assert raw[14:26] == b"\0\0\0\0" + b"\xff" * 8  # the first member's sizes stand in the 64-bit fields
    assert raw[38:42] == struct.pack("<HH", 1, 16)
    assert raw[-22:] == b"PK\5\6\0\0\0\0" + b"\xff" * 12 + b"\0\0"
    assert raw.count(b"PK\6\6") == raw.count(b"PK\6\7") == 1
    assert unpacked(path, "zip") == MEMBERS


def test_zip_of_a_small_member_without_its_size_uses_no_64_bit_fields(tmp_path: Path) -> None:
    sink = io.BytesIO()
    with encoded(sink, "zip") as encoder, encoder.member("a.csv") as member:
        member.write(b"hello")
    assert sink.getvalue() == encode("zip", {"a.csv": b"hello"})
    with zipfile.ZipFile(sink) as archive:
        assert archive.infolist()[0].extract_version == 20
        assert archive.read("a.csv") == b"hello"


def test_zip_over_4_gib_whose_size_nobody_knew(tmp_path: Path) -> None:
    path, block = tmp_path / "big.zip", bytes(GIB // 64)
    with path.open("wb") as file, encoded(file, "zip", compression=Compression(level=1)) as encoder:
        with encoder.member("big.csv") as member:
            for _ in range(4 * 64):
                member.write(block)
            member.write(b"the end")
        with encoder.member("small.csv") as member:
            member.write(b"hello")
    run("unzip", "-tq", path)
    with zipfile.ZipFile(path) as archive:
        big, small = archive.infolist()
        assert (big.file_size, big.extract_version) == (4 * GIB + 7, 45)
        assert (archive.read(small), small.extract_version) == (b"hello", 20)


def test_zip_member_that_begins_behind_4_gib(tmp_path: Path) -> None:
    path = tmp_path / "far.zip"
    with path.open("wb") as file:
        file.seek(5 * GIB)  # a hole that takes no room, as if a member lay there
        archive = Zip(file.write, Compression(), zip64=False)
        archive._offset = 5 * GIB
        archive.begin("far.csv", None)
        archive.write(b"hello")
        archive.end()
        archive.finish()
    run("unzip", "-tq", path)
    with zipfile.ZipFile(path) as read:
        assert read.infolist()[0].header_offset == 5 * GIB
        assert read.read("far.csv") == b"hello"


def test_zip_of_more_members_than_16_bits_count() -> None:
    sink = io.BytesIO()
    with encoded(sink, "zip", compression=Compression(level=0)) as encoder:
        for number in range(65_535):
            with encoder.member(f"{number:07d}"):
                pass
    with zipfile.ZipFile(sink) as archive:
        assert len(archive.namelist()) == 65_535


class Sparse:
    """A file in which one block of zeros, told by its identity, becomes a hole."""

    def __init__(self, file: BinaryIO, zeros: bytes) -> None:
        self.file, self.zeros = file, zeros

    def write(self, data: "Buffer", /) -> int:
        if data is self.zeros:
            return self.file.seek(len(self.zeros), os.SEEK_CUR)
        return self.file.write(data)


def test_tar_over_8_gib(tmp_path: Path) -> None:
    path, zeros = tmp_path / "big.tar", bytes(GIB)
    with path.open("wb") as file, encoded(Sparse(file, zeros), "tar") as encoder:
        with encoder.member("big.csv", 9 * GIB) as member:
            for _ in range(9):
                member.write(zeros)
        with encoder.member("small.csv", 5) as member:
            member.write(b"hello")
    big, small = run("tar", "--numeric-owner", "-tvf", path).decode().splitlines()
    assert big.split() == ["-rw-r--r--", "0/0", str(9 * GIB), "1970-01-01", "00:00", "big.csv"]
    assert small.split()[-1] == "small.csv"
    assert run("tar", "-xOf", path, "small.csv") == b"hello"
    with tarfile.open(path) as archive:
        assert [info.size for info in archive] == [9 * GIB, 5]


class WentAwayError(Exception):
    """What the warehouse's driver might raise."""


def break_off(sink: BinaryIO, encoding: Encoding, content: bytes) -> None:
    """Fail in the middle of a member."""
    with encoded(sink, encoding) as encoder, encoder.member("a.csv", len(content)) as member:
        member.write(content[: len(content) // 2])
        raise WentAwayError


def break_off_late(sink: BinaryIO, encoding: Encoding, content: bytes) -> None:
    """Fail when the last member is complete."""
    with encoded(sink, encoding) as encoder:
        with encoder.member("a.csv", len(content)) as member:
            member.write(content)
        raise WentAwayError


def swallow(encoding: Encoding) -> None:
    """Fail in the middle of a member, and go on as if nothing had happened."""
    with encoded(io.BytesIO(), encoding) as encoder, suppress(WentAwayError), encoder.member("a.csv", 5):
        raise WentAwayError


def write_two(encoding: Encoding, first: str, second: str) -> None:
    with encoded(io.BytesIO(), encoding) as encoder:
        with encoder.member(first, 0):
            pass
        with encoder.member(second, 0):
            pass


TESTS: dict[Encoding, list[str]] = {
    "gzip": ["gzip", "-t"],
    "zip": ["unzip", "-tq"],
    "tar": ["tar", "-tf"],
    "tgz": ["tar", "-tzf"],
}


@pytest.mark.parametrize(
    ("encoding", "fail"),
    [
        *((encoding, break_off) for encoding in TESTS),
        # a tar file that ends between two members is complete for GNU tar
        *((encoding, break_off_late) for encoding in TESTS if encoding != "tar"),
    ],
)
def test_a_failure_leaves_a_truncated_file(
    tmp_path: Path, encoding: Encoding, fail: Callable[[BinaryIO, Encoding, bytes], None]
) -> None:
    path = tmp_path / "broken"
    with path.open("wb") as file, pytest.raises(WentAwayError):
        fail(file, encoding, MEMBERS["noise.bin"] * 24)  # isal takes portions of 1 MiB, and holds some of it back
    assert path.stat().st_size > 100_000
    with pytest.raises(subprocess.CalledProcessError):
        run(*TESTS[encoding], path)


@pytest.mark.parametrize("encoding", get_args(Encoding))
def test_a_failure_that_was_swallowed_does_not_complete_the_file(encoding: Encoding) -> None:
    with pytest.raises(ValueError, match=r"'a\.csv' was not finished"):
        swallow(encoding)


@pytest.mark.parametrize("encoding", get_args(Encoding))
@pytest.mark.parametrize("size", [4, 6])
def test_a_wrong_size_is_refused(encoding: Encoding, size: int) -> None:
    with (
        pytest.raises(ValueError, match=rf"'a\.csv' has 5 bytes, but {size} were announced"),
        encoded(io.BytesIO(), encoding) as encoder,
        encoder.member("a.csv", size) as member,
    ):
        member.write(b"hello")


@pytest.mark.parametrize("encoding", ["tar", "tgz"])
def test_tar_must_know_the_size(encoding: Encoding) -> None:
    with (
        pytest.raises(ValueError, match=r"the size of 'a\.csv' must be known"),
        encoded(io.BytesIO(), encoding) as encoder,
        encoder.member("a.csv"),
    ):
        pass


@pytest.mark.parametrize("encoding", ["none", "gzip"])
def test_exactly_one_member_where_there_is_no_archive(encoding: Encoding) -> None:
    with pytest.raises(ValueError, match="none was written"), encoded(io.BytesIO(), encoding):
        pass
    with pytest.raises(ValueError, match=r"'b\.csv' is the second member"):
        write_two(encoding, "a.csv", "b.csv")


@pytest.mark.parametrize(("name", "problem"), [("a.csv", "'a.csv' is used already"), ("", "'' is empty")])
def test_names_are_given_once(name: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"the member's name {problem}"):
        write_two("zip", "a.csv", name)


def test_members_do_not_overlap() -> None:
    with (
        pytest.raises(ValueError, match=r"'b\.csv' cannot begin: 'a\.csv' was not finished"),
        encoded(io.BytesIO(), "zip") as encoder,
        encoder.member("a.csv"),
        encoder.member("b.csv"),
    ):
        pass


def test_a_member_takes_wrappers_and_any_buffer() -> None:
    sink = io.BytesIO()
    with encoded(sink, "zip") as encoder:
        with encoder.member("text.csv") as member, io.TextIOWrapper(member, encoding="utf-8", newline="") as text:
            text.write("é\r\n")
        with encoder.member("buffers") as member:
            assert member.write(memoryview(b"abcdef")[::2]) == 3
            assert member.write(bytearray(b"xyz")) == 3
            assert member.tell() == 6
    with pytest.raises(ValueError, match="has ended"):
        member.write(b"too late")
    with zipfile.ZipFile(sink) as archive:
        assert archive.read("text.csv") == "é\r\n".encode()
        assert archive.read("buffers") == b"acexyz"


def test_the_sink_stays_open() -> None:
    sink = io.BytesIO()
    write(sink, "tgz", MEMBERS)
    assert not sink.closed


@pytest.mark.parametrize(
    ("file_name", "encoding", "expected"),
    [
        ("2026.csv.zip", "zip", "2026.csv"),
        ("2026.csv.ZIP", "zip", "2026.csv"),
        ("a/b.zip", "zip", "b"),
        ("2026.tgz", "tgz", "2026"),
        ("2026.csv.tgz", "tgz", "2026.csv"),
        ("2026.csv.tar.gz", "tgz", "2026.csv"),
        ("2026.csv.tar", "tar", "2026.csv"),
        ("2026.csv.gz", "gzip", "2026.csv"),
        ("2026.csv.zip.pgp", "zip", "2026.csv"),
        ("2026.csv.tar.gz.pgp", "tgz", "2026.csv"),
        ("2026.csv.pgp", "zip", "2026.csv"),
        ("2026.csv.gz", "zip", "2026.csv"),  # named for gzip by the destination, made a zip by the data template
        ("2026.csv", "zip", "2026.csv"),
        ("2026", "tar", "2026"),
        ("a.zip.zip", "zip", "a.zip"),
        ("a/.zip", "zip", ".zip"),
        ("2026.csv.gz", "none", "2026.csv.gz"),
        ("a/2026.csv", "none", "2026.csv"),
    ],
)
def test_member_names(file_name: str, encoding: Encoding, expected: str) -> None:
    assert member_name(file_name, encoding) == expected
