"""A failure leaves a truncated file, never a complete one. Members that do not fit are refused."""

import io
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, get_args

import pytest
from support.files.members import MEMBERS
from support.files.openers import run

from persado.pipeline.encode.encode import encoded
from persado.settings.models.setting_values import Encoding


class WentAwayError(Exception):
    """An error that the warehouse's driver might raise."""


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
    """Fail in the middle of a member, and suppress the error."""
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
        fail(file, encoding, MEMBERS["noise.bin"] * 24)  # isal gets blocks of 1 MiB, and buffers a part of its output
    assert path.stat().st_size > 100_000
    with pytest.raises(subprocess.CalledProcessError):
        run(*TESTS[encoding], path)


@pytest.mark.parametrize("encoding", get_args(Encoding))
def test_a_suppressed_failure_does_not_complete_the_file(encoding: Encoding) -> None:
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


@pytest.mark.parametrize("encoding", ["none", "gzip"])
def test_encodings_that_are_not_archives_need_exactly_one_member(encoding: Encoding) -> None:
    with pytest.raises(ValueError, match="none was written"), encoded(io.BytesIO(), encoding):
        pass
    with pytest.raises(ValueError, match=r"'b\.csv' is the second member"):
        write_two(encoding, "a.csv", "b.csv")


@pytest.mark.parametrize(("name", "problem"), [("a.csv", "'a.csv' is used already"), ("", "'' is empty")])
def test_an_empty_or_duplicate_member_name_is_refused(name: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"the member's name {problem}"):
        write_two("zip", "a.csv", name)


def test_members_must_not_overlap() -> None:
    with (
        pytest.raises(ValueError, match=r"'b\.csv' cannot begin: 'a\.csv' was not finished"),
        encoded(io.BytesIO(), "zip") as encoder,
        encoder.member("a.csv"),
        encoder.member("b.csv"),
    ):
        pass
