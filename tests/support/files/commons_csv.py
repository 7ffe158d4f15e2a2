"""Apache Commons CSV, in one Java process for many files."""

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

_JAR = Path("/usr/share/java/commons-csv.jar")  # from Debian's libcommons-csv-java
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
    """Return the rows of each file to read, and the text of each table to write."""
    request = io.BytesIO()
    for read in reads:
        _write(request, "read")
        # Only in this mode does it check whether a value that equals NULL was quoted.
        _write_format(request, read.settings, "NONE" if read.settings.quote_mode == "none" else "ALL_NON_NULL")
        _write(request, read.text)
    for write in writes:
        _write(request, "write")
        _write_format(request, write.settings, _MODES[write.settings.quote_mode])
        _write_rows(request, write.rows)
    _write(request, None)
    done = subprocess.run(["java", "-cp", _JAR, _PROGRAM], input=request.getvalue(), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    response = io.BytesIO(done.stdout)
    tables = [[[_read(response) for _ in range(_int(response))] for _ in range(_int(response))] for _ in reads]
    return tables, [_read(response) or "" for _ in writes]


def _write_format(request: io.BytesIO, settings: Settings, mode: str) -> None:
    escape = None if settings.escape_character == '"' else settings.escape_character
    for text in (settings.field_delimiter, escape, mode, settings.null_text, LINE_ENDINGS[settings.line_ending]):
        _write(request, text)


def _write_rows(request: io.BytesIO, rows: Sequence[Sequence[str | Number | None]]) -> None:
    request.write(struct.pack(">i", len(rows)))
    for row in rows:
        request.write(struct.pack(">i", len(row)))
        for value in row:
            request.write(struct.pack(">?", isinstance(value, Number)))
            _write(request, value.text if isinstance(value, Number) else value)


def _write(request: io.BytesIO, text: str | None) -> None:
    data = b"" if text is None else text.encode()
    request.write(struct.pack(">i", -1 if text is None else len(data)) + data)


def _read(response: io.BytesIO) -> str | None:
    length = _int(response)
    return None if length < 0 else response.read(length).decode()


def _int(response: io.BytesIO) -> int:
    (number,) = struct.unpack(">i", response.read(4))
    return int(number)
