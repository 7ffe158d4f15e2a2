"""Encoded files are read by independent programs: gzip, unzip, GNU tar, Python's own readers."""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path
from threading import Thread
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.files.members import ARCHIVES, MEMBERS, decode, encode, write
from support.files.openers import run, unpacked

from persado.pipeline.encode.compress import Compression
from persado.pipeline.encode.encode import encoded
from persado.pipeline.encode.formats import member_name
from persado.settings.models.setting_values import Compressor, Encoding


def test_none_does_not_change_the_bytes() -> None:
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
def test_the_size_of_the_writes_does_not_change_the_bytes(encoding: Encoding, content: bytes, step: int) -> None:
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


def test_zlib_writes_its_exact_bytes() -> None:
    sink = io.BytesIO()
    with encoded(sink, "gzip", compression=Compression("zlib")) as encoder, encoder.member("a") as member:
        member.write(MEMBERS["2026.csv"])
    compressor = zlib.compressobj(6, wbits=31)
    assert sink.getvalue() == compressor.compress(MEMBERS["2026.csv"]) + compressor.flush()


@pytest.mark.parametrize("encoding", ["gzip", "zip", "tgz"])
def test_the_size_of_the_writes_does_not_change_the_bytes_of_large_content(encoding: Encoding) -> None:
    members = {"a": MEMBERS["2026.csv"] * 4 + MEMBERS["noise.bin"]}
    done = encode(encoding, members, step=1 << 20)
    assert {encode(encoding, members, step=step) == done for step in (1000, 4096, 65_537, 1 << 18, 400_000)} == {True}


def test_a_member_accepts_wrappers_and_any_buffer() -> None:
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
        ("2026.csv.gz", "zip", "2026.csv"),  # the destination names it for gzip, the data template makes it a zip
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
