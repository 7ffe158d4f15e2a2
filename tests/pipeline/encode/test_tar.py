"""Tar files: the content of their headers, their end, and large members."""

import io
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest
from support.files.members import GIB, MEMBERS, encode
from support.files.openers import run

from persado.pipeline.encode.encode import encoded
from persado.settings.models.setting_values import Encoding

if TYPE_CHECKING:
    from typing_extensions import Buffer


def test_tar_holds_no_time_and_no_owner() -> None:
    with tarfile.open(fileobj=io.BytesIO(encode("tar", MEMBERS))) as archive:
        for info in archive:
            assert (info.mtime, info.mode, info.uid, info.gid) == (0, 0o644, 0, 0)
            assert (info.uname, info.gname, info.type) == ("", "", tarfile.REGTYPE)
            assert set(info.pax_headers) <= {"path"}
            assert bool(info.pax_headers) == (not info.name.isascii() or len(info.name) > 100)


def test_tar_is_padded_to_a_record_as_gnu_tar_does() -> None:
    assert len(encode("tar", {"a": b"x"})) == 10240


class Sparse:
    """A file in which writing one particular block of zeros, recognized by its identity, creates a hole."""

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


@pytest.mark.parametrize("encoding", ["tar", "tgz"])
def test_tar_requires_the_size_of_a_member(encoding: Encoding) -> None:
    with (
        pytest.raises(ValueError, match=r"the size of 'a\.csv' must be known"),
        encoded(io.BytesIO(), encoding) as encoder,
        encoder.member("a.csv"),
    ):
        pass
