"""
Every format x quote mode x escape x line ending x header x encoding x PGP x split, through the real stages.

Each file is opened by independent programs: gpg, Sequoia or RNP, then gzip, unzip or GNU tar. The content must be the
text that Apache Commons CSV reads as the table, cut as the split requires.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from support.airflow.runs import gpg, pgp_home
from support.files.commons_csv import ReadJob, Row, run
from support.files.openers import opened, unpacked
from support.files.openers import run as run_program
from support.files.tabular import file_of_batch, settings

from persado.pipeline import chained
from persado.pipeline.encrypt.public_key import PublicKey, read_public_key
from persado.pipeline.format.columns import mixed
from persado.pipeline.format.split import MEGABYTE
from persado.pipeline.names import Names
from persado.pipeline.recipe import Recipe
from persado.pipeline.stage.area import StageArea
from persado.pipeline.stage.arrow_file import ArrowWriter
from persado.pipeline.stage.artifact import Artifact
from persado.settings.filenames.template import NameValues
from persado.settings.models.effective import Settings

__all__ = ["pgp_home"]


class Text(NamedTuple):
    """All settings that determine the text of a file."""

    file_format: str
    quote_mode: str
    escape_character: str | None
    line_ending: str
    header: bool

    @property
    def unescaped(self) -> bool:
        """Whether a value with a special character would break its row, which the user must allow explicitly."""
        return self.quote_mode == "none" and self.escape_character is None

    def settings(self, **more: Any) -> Settings:
        """Return the settings."""
        delimiter = {"delimiter": ";"} if self.file_format == "custom" else {}
        return settings(**self._asdict(), **delimiter, null_text="NULL", **more)


TEXTS = [
    Text(*combination)
    for combination in itertools.product(
        ["csv", "tsv", "psv", "custom"],
        ["all", "all_non_null", "special_characters", "all_non_numeric", "none"],
        [None, "\\"],
        ["LF", "CRLF"],
        [True, False],
    )
]
ENCODINGS = ["none", "gzip", "zip", "tar", "tgz"]
SUFFIX = {"none": "", "gzip": ".gz", "zip": ".zip", "tar": ".tar", "tgz": ".tgz"}
SPLITS: list[dict[str, int] | None] = [None, {"rows": 50_000}, {"megabytes": 1}]
VALUES = NameValues(now=datetime(2026, 11, 24, tzinfo=UTC), orchestration="matrix", run_id="manual")

HEADER = ["Hashed_Email", "note", "children_count"]
PLAIN = ["a", "", None, "é", "東", "🙂", "two words", "007", "-1.50", "2026-11-24", "true", "x" * 300, "#", "$", "Z"]
SPECIAL = [
    *PLAIN,
    *',;|\t"\\\n\r',
    "\r\n",
    '"";,',
    'a"b',
    'a""',
    '\\"',
    "\\\\",
    "a,b;c|d\te",
    "line\nline\r\nline",
    " ",
]


def table(text: Text) -> list[Row]:
    """Return the rows, with special characters only if they are escaped or quoted."""
    notes = PLAIN if text.unescaped else SPECIAL
    numbers = itertools.cycle(["0", "-7", "12345678901234567890123", None])
    return [[f"{row:032x}", note, number] for row, (note, number) in enumerate(zip(notes, numbers, strict=False))]


def batch(text: Text) -> pa.RecordBatch:
    """Return the rows as a database would."""
    emails, notes, numbers = zip(*table(text), strict=True)
    return pa.RecordBatch.from_arrays([pa.array(emails), pa.array(notes), mixed(numbers, number=True)], names=HEADER)


def as_read(text: Text) -> list[Row]:
    """Return the table as a reader sees it that distinguishes quoted from unquoted text."""
    null = "NULL" if text.quote_mode == "all" else None  # this mode also quotes NULL
    rows = [[null if value is None else value for value in row] for row in table(text)]
    return [[*HEADER], *rows] if text.header else rows


@cache
def read_by_commons_csv() -> list[list[Row]]:
    # Without quotes it requires an escape character; this one does not occur in the text.
    settings_ = [(text._replace(escape_character="^") if text.unescaped else text).settings() for text in TEXTS]
    return run([ReadJob(how, written(text).decode()) for how, text in zip(settings_, TEXTS, strict=True)], [])[0]


def written(text: Text, rows: int | None = None) -> bytes:
    """Return the table's first rows, or all, as one file."""
    return file_of_batch(batch(text)[:rows], **text.settings().model_dump())


@pytest.fixture(scope="module")
def key(pgp_home: Path) -> PublicKey:
    return read_public_key(gpg(pgp_home, "--armor", "--export").decode())


@pytest.fixture(scope="module")
def private_key(pgp_home: Path) -> str:
    return gpg(pgp_home, "--armor", "--export-secret-keys").decode()


@pytest.mark.parametrize("index", range(len(TEXTS)), ids=["-".join(map(repr, text)) for text in TEXTS])
def test_every_combination(index: int, key: PublicKey, private_key: str, pgp_home: Path, tmp_path: Path) -> None:
    text = TEXTS[index]
    assert read_by_commons_csv()[index] == as_read(text)
    opener = Opener(tmp_path, pgp_home, private_key, index)
    for split in SPLITS:
        area = StageArea(tmp_path / "stage", f"{split}")
        formatted = formatted_and_cut(area, text, split)
        for encoding in ENCODINGS:
            names = Names(planned(text, split, encoding), VALUES)
            files = [file.model_copy(update={"name": names.formatted(n)}) for n, file in enumerate(formatted, 1)]
            members = {names.member(file.name): read(area, file) for file in files}
            if encoding != "none":
                files = [*chained.encode_stage(area, files, Recipe(names), ignore)]
            assert opener.unpack([read(area, file) for file in files], encoding, members) == members
            last = files[-1]
            (message,) = chained.encrypt_stage(area, [last], Recipe(names, key), ignore)
            assert message.name == f"{last.name}.pgp"
            assert opener.decrypt(read(area, message)) == read(area, last)


def formatted_and_cut(area: StageArea, text: Text, split: dict[str, int] | None) -> tuple[Artifact, ...]:
    """Format the table, repeated until the split cuts it, and check every part."""
    names = Names(planned(text, split, "none"), VALUES)
    rows = extracted(area, text, split)
    formatted = chained.format_stage(area, rows, Recipe(names), ignore)
    check_cut([read(area, file) for file in formatted], text, rows.rows, split)
    return formatted


def planned(text: Text, split: dict[str, int] | None, encoding: str) -> Settings:
    """Return the settings of a delivery."""
    archive = encoding in {"zip", "tar", "tgz"}
    return text.settings(
        encoding=encoding,
        split=split,
        pgp_public_key="receiver.asc",
        filename_template=f"table.csv{SUFFIX[encoding]}",
        split_filename_template="csv/{{file_number}}.csv" if archive else "{{file_number}}.csv" + SUFFIX[encoding],
        split_directory_template=f"parts{SUFFIX[encoding] if archive else ''}",
    )


def extracted(area: StageArea, text: Text, split: dict[str, int] | None) -> Artifact:
    """Store the table in the stage area, repeated until it needs a second part."""
    rows, times = batch(text), 1
    if split:
        row = len(written(text)) / rows.num_rows  # a bit too large, because it includes the header
        wanted = split["rows"] if "rows" in split else split["megabytes"] * MEGABYTE / row * 1.2
        times = int(wanted / rows.num_rows) + 1
    with area.create("extract") as sink:
        writer = ArrowWriter(sink, HEADER)
        writer.write(pa.concat_batches([rows] * times))
        writer.close()
    return area.artifact("extract", sink, name="", rows=rows.num_rows * times)


def check_cut(found: list[bytes], text: Text, rows: int, split: dict[str, int] | None) -> None:
    """Check that the parts are the text, each with the header and as long as allowed."""
    size, head = batch(text).num_rows, written(text, 0)
    body = written(text).removeprefix(head)
    assert all(part.startswith(head) for part in found)
    assert b"".join(part.removeprefix(head) for part in found) == body * (rows // size)
    if split is None:
        assert len(found) == 1
    elif "rows" in split:
        whole_tables, rest = divmod(split["rows"], size)
        assert found[0] == head + body * whole_tables + written(text, rest).removeprefix(head)
        assert len(found) == 2
    else:
        longest_row = 1000
        assert all(MEGABYTE - longest_row < len(part) <= MEGABYTE for part in found[:-1])
        assert len(found) > 1


class Opener:
    """
    The receiver.

    :param folder: a folder for files
    :param pgp_home: the GnuPG home of the private key
    :param private_key: the private key, for programs that do not use this home
    :param turn: the index of the first program to use; they take turns
    """

    def __init__(self, folder: Path, pgp_home: Path, private_key: str, turn: int) -> None:
        self._folder, self._pgp_home, self._private_key = folder, pgp_home, private_key
        self._programs: Iterator[str] = itertools.islice(itertools.cycle(["gpg", "sq", "rnp"]), turn, None)
        self._number = itertools.count()

    def decrypt(self, message: bytes) -> bytes:
        """Open a message with the next program."""
        program = next(self._programs)
        if program == "gpg":
            return gpg(self._pgp_home, "--decrypt", data=message)
        return opened(program, self._private_key, message, self._folder)

    def unpack(self, files: list[bytes], encoding: str, names: dict[str, bytes]) -> dict[str, bytes]:
        """Return the content by name; files that contain no names get the expected ones."""
        paths = [self._folder / f"{next(self._number)}{SUFFIX[encoding]}" for _ in files]
        for path, content in zip(paths, files, strict=True):
            path.write_bytes(content)
        if encoding == "none":
            return dict(zip(names, files, strict=True))
        if encoding == "gzip":
            return dict(zip(names, [run_program("gzip", "-dc", path) for path in paths], strict=True))
        (archive,) = paths
        return unpacked(archive, encoding)


def read(area: StageArea, file: Artifact) -> bytes:
    """Return the bytes of a file in the stage area."""
    with area.open(file) as source:
        return source.read()


def ignore(rows: int, size: int) -> None:
    """Ignore the progress."""
