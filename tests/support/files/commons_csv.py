"""Apache Commons CSV itself, in one Java process for many files."""

from __future__ import annotations

import io
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from persado.pipeline.format.delimited import LINE_ENDINGS
from persado.settings.models.effective import Settings

Row = list[str | None]

_JAR = Path("/usr/share/java/commons-csv.jar")  # of Debian's libcommons-csv-java
_PROGRAM = Path(__file__).with_name("CommonsCsv.java")
_MODES = {
    "all": "ALL",
    "all_non_null": "ALL_NON_NULL",
    "special_characters": "MINIMAL",
    "all_non_numeric": "NON_NUMERIC",
    "none": "NONE",
}


@dataclass(frozen=True)
class Number:
    """A number among the values to write."""

    text: str


@dataclass(frozen=True)
class ReadJob:
    """A file to read."""

    settings: Settings
    text: str


@dataclass(frozen=True)
class WriteJob:
    """A table to write."""

    settings: Settings
    rows: Sequence[Sequence[str | Number | None]]


def run(reads: Sequence[ReadJob], writes: Sequence[WriteJob]) -> tuple[list[list[Row]], list[str]]:
    """
    Read and write.

    :return: the rows of each file, and the text of each table
    """
    asked = io.BytesIO()
    for read in reads:
        _write(asked, "read")
        # Only where it thinks of this mode does it look whether a value that equals NULL was quoted.
        _write_format(asked, read.settings, "NONE" if read.settings.quote_mode == "none" else "ALL_NON_NULL")
        _write(asked, read.text)
    for write in writes:
        _write(asked, "write")
        _write_format(asked, write.settings, _MODES[write.settings.quote_mode])
        _write_rows(asked, write.rows)
    _write(asked, None)
    done = subprocess.run(["java", "-cp", _JAR, _PROGRAM], input=asked.getvalue(), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    told = io.BytesIO(done.stdout)
    tables = [[[_read(told) for _ in range(_int(told))] for _ in range(_int(told))] for _ in reads]
    return tables, [_read(told) or "" for _ in writes]


def _write_format(asked: io.BytesIO, settings: Settings, mode: str) -> None:
    escape = None if settings.escape_character == '"' else settings.escape_character
    for text in (settings.field_delimiter, escape, mode, settings.null_text, LINE_ENDINGS[settings.line_ending]):
        _write(asked, text)


def _write_rows(asked: io.BytesIO, rows: Sequence[Sequence[str | Number | None]]) -> None:
    asked.write(struct.pack(">i", len(rows)))
    for row in rows:
        asked.write(struct.pack(">i", len(row)))
        for value in row:
            asked.write(struct.pack(">?", isinstance(value, Number)))
            _write(asked, value.text if isinstance(value, Number) else value)


def _write(asked: io.BytesIO, text: str | None) -> None:
    data = b"" if text is None else text.encode()
    asked.write(struct.pack(">i", -1 if text is None else len(data)) + data)


def _read(told: io.BytesIO) -> str | None:
    length = _int(told)
    return None if length < 0 else told.read(length).decode()


def _int(told: io.BytesIO) -> int:
    (number,) = struct.unpack(">i", told.read(4))
    return int(number)
