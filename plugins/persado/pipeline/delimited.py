"""
Delimited text (CSV, TSV, PSV or a delimiter of one's own) from Arrow record batches.

The quote modes are those of Apache Commons CSV's QuoteMode, made safe in two places: an empty string is
quoted wherever the mode quotes at all, so that it and NULL stay apart, and so is a text that equals
``null_text``. All of it happens in Arrow's kernels, a column at a time; no Python object is made for a cell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from persado.pipeline.columns import Cells, cells
from persado.settings.file_settings import Settings

QUOTE = '"'
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
_NUMBER_CHARACTERS = "0123456789+-.e"


def header(columns: Sequence[str], settings: Settings) -> bytes:
    """Give the header line, or nothing where the settings want none."""
    if not settings.header:
        return b""
    names = [*([settings.row_number] if settings.row_number else []), *columns]
    return block(_lines([Cells(pa.array([name], pa.string()), number=False) for name in names], settings))


def lines(batch: pa.RecordBatch, settings: Settings, *, first_row: int = 1) -> pa.LargeStringArray:
    """
    Give one text line for each row, line ending included.

    :param batch: the rows
    :param settings: how they are written
    :param first_row: the number of the batch's first row in the whole delivery, counted from 1
    :raises ConfigurationError: for a value that has no text, with its row and column, never the value
    """
    columns = [
        cells(column, name=name, first_row=first_row, nan_text=settings.nan_text)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    if settings.row_number:
        numbers = pa.array(range(first_row, first_row + batch.num_rows), pa.int64()).cast(pa.string())
        columns.insert(0, Cells(numbers, number=True))
    return _lines(columns, settings)


def block(lines: pa.LargeStringArray) -> bytes:
    """Give the bytes of consecutive lines: their text stands in one piece in Arrow's buffer already."""
    if not len(lines):
        return b""
    start, end = line_offsets(lines)[0], line_offsets(lines)[-1]
    return bytes(memoryview(lines.buffers()[2])[start:end])


def line_offsets(lines: pa.LargeStringArray) -> memoryview:
    """Give where each line begins in the buffer, and where the last one ends."""
    return memoryview(lines.buffers()[1]).cast("q")[lines.offset : lines.offset + len(lines) + 1]


def _lines(columns: Sequence[Cells], settings: Settings) -> pa.LargeStringArray:
    fields = [_field(column, settings).cast(pa.large_string()) for column in columns]
    ending = LINE_ENDINGS[settings.line_ending]
    fields[-1] = pc.binary_join_element_wise(fields[-1], pa.scalar(ending, pa.large_string()), _large(""))
    return pc.binary_join_element_wise(*fields, _large(settings.field_delimiter)) if len(fields) > 1 else fields[0]


def _large(value: str) -> pa.Scalar:
    return pa.scalar(value, pa.large_string())


def _field(column: Cells, settings: Settings) -> pa.Array:
    found = _escaped(column.text, settings) if settings.quote_mode == "none" else _quoted(column, settings)
    if found.null_count:
        null_text = settings.null_text
        if settings.quote_mode == "all":
            null_text = QUOTE + _escape_quotes(pa.array([null_text]), settings)[0].as_py() + QUOTE
        found = found.fill_null(null_text)
    return found


def _quoted(column: Cells, settings: Settings) -> pa.Array:
    if settings.quote_mode == "special_characters":
        if column.number is True and _numbers_are_plain(settings):
            return column.text
        needed = _has_special_characters(column.text, settings)
    elif settings.quote_mode == "all_non_numeric":
        if column.number is True and settings.nan_text is None:
            return column.text
        needed = pc.invert(column.number) if isinstance(column.number, pa.Array) else not column.number
    else:
        needed = True
    if needed is False or (isinstance(needed, pa.Array) and not pc.any(needed).as_py()):
        return column.text
    quoted = pc.binary_join_element_wise(QUOTE, _escape_quotes(column.text, settings), QUOTE, "")
    return quoted if needed is True else pc.if_else(needed, quoted, column.text)


def _numbers_are_plain(settings: Settings) -> bool:
    """Whether no number can hold a special character: then the search for them is spared."""
    return settings.nan_text is None and not settings.null_text and settings.field_delimiter not in _NUMBER_CHARACTERS


def _has_special_characters(column: pa.Array, settings: Settings) -> pa.Array:
    # Commons CSV's QuoteMode.MINIMAL: besides the obvious ones it quotes what begins with a character up to "#"
    # or ends with one up to the space, because parsers trip over those.
    special = re.escape(settings.field_delimiter + QUOTE + (settings.escape_character or ""))
    found = pc.match_substring_regex(column, rf"[{special}\r\n]|\A[\x00-#]|[\x00- ]\z|\A\z")
    if settings.null_text:
        found = pc.or_(found, pc.equal(column, settings.null_text))
    return found


def _escape_quotes(column: pa.Array, settings: Settings) -> pa.Array:
    escape = settings.escape_character
    if escape is None or escape == QUOTE:
        return pc.replace_substring(column, QUOTE, QUOTE * 2)
    return _prefix(column, re.escape(escape + QUOTE), escape)


def _escaped(column: pa.Array, settings: Settings) -> pa.Array:
    escape = settings.escape_character
    if escape is None:
        return column
    return _prefix(column, re.escape(settings.field_delimiter + escape) + r"\r\n", escape)


def _prefix(column: pa.Array, characters: str, escape: str) -> pa.Array:
    replacement = ("\\\\" if escape == "\\" else escape) + r"\0"
    return pc.replace_substring_regex(column, f"([{characters}])", replacement)
