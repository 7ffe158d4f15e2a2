"""Zip files: the content of their fields, and the cases that need 64 bits."""

import io
import struct
import zipfile
from pathlib import Path

from support.files.members import GIB, MEMBERS, encode
from support.files.openers import run, unpacked

from persado.pipeline.encode.compress import Compression
from persado.pipeline.encode.encode import encoded
from persado.pipeline.encode.zip_archive import Zip


def test_zip_holds_no_time_and_no_owner() -> None:
    with zipfile.ZipFile(io.BytesIO(encode("zip", MEMBERS))) as archive:
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert (info.external_attr >> 16, info.extra, info.comment) == (0o100644, b"", b"")
            assert info.extract_version == 20
            assert bool(info.flag_bits & 0x800) == (not info.filename.isascii())


def test_zip_64_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(encode("zip", MEMBERS, zip64=True))
    with zipfile.ZipFile(path) as archive:
        assert {info.extract_version for info in archive.infolist()} == {45}
        assert archive.testzip() is None
    raw = path.read_bytes()
    assert raw[14:26] == b"\0\0\0\0" + b"\xff" * 8  # the first member's sizes are in the 64-bit fields
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


def test_zip_member_over_4_gib_of_unknown_size(tmp_path: Path) -> None:
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


def test_zip_member_that_begins_after_4_gib(tmp_path: Path) -> None:
    path = tmp_path / "far.zip"
    with path.open("wb") as file:
        file.seek(5 * GIB)  # a hole, which takes no disk space, instead of a large member
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


def test_zip_with_more_members_than_fit_16_bits() -> None:
    sink = io.BytesIO()
    with encoded(sink, "zip", compression=Compression(level=0)) as encoder:
        for number in range(65_535):
            with encoder.member(f"{number:07d}"):
                pass
    with zipfile.ZipFile(sink) as archive:
        assert len(archive.namelist()) == 65_535
