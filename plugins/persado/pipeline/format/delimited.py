"""
Write Arrow record batches as delimited text: CSV, TSV, PSV or a custom delimiter.

The quote modes are those of Apache Commons CSV's QuoteMode, except where its output could be misread:

* In every mode that quotes, an empty string is quoted, as is any text that equals ``null_text``. This distinguishes
  them from NULL.
* A number is quoted if it contains a special character.
* A line break that mode ``none`` escapes is written as a line break after the escape character.

All work is done by Arrow's kernels, one column at a time, without a Python object for each cell.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from persado.errors import ConfigurationError
from persado.pipeline.format.columns import Cells, cells
from persado.settings.models.effective import Settings

QUOTE = '"'
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
_NUMBER_CHARACTERS = frozenset("0123456789+-.e")
_END_OF_COPY = r"\."  # on a separate line, it ends the data for PostgreSQL's COPY
_UP_TO_SPACE = "".join(map(chr, range(0x21)))


def header(columns: Sequence[str], settings: Settings) -> bytes:
    """
    Return the header line; empty if the settings disable it.

    :raises ConfigurationError: if the row-number column has the name of another column
    """
    if settings.row_number in columns:
        raise ConfigurationError(
            f"settings.row_number: {settings.row_number!r} is also a column of the query; choose another name, or"
            " rename the column with AS"
        )
    if not settings.header:
        return b""
    names = [*([settings.row_number] if settings.row_number else []), *columns]
    return block(_lines([Cells(_array(name), number=False) for name in names], settings))


def lines(batch: pa.RecordBatch, settings: Settings, *, first_row: int = 1) -> pa.LargeStringArray:
    """
    Return one text line for each row, line ending included.

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
    """Return the bytes of consecutive lines, whose text is contiguous in Arrow's buffer."""
    if not len(lines):
        return b""
    start, end = line_offsets(lines)[0], line_offsets(lines)[-1]
    return bytes(memoryview(lines.buffers()[2])[start:end])


def line_offsets(lines: pa.LargeStringArray) -> memoryview:
    """Return where each line begins in the buffer, and where the last one ends."""
    return memoryview(lines.buffers()[1]).cast("q")[lines.offset : lines.offset + len(lines) + 1]


def _lines(columns: Sequence[Cells], settings: Settings) -> pa.LargeStringArray:
    fields = [_field(column, settings).cast(pa.large_string()) for column in columns]
    ending = LINE_ENDINGS[settings.line_ending]
    fields[-1] = pc.binary_join_element_wise(fields[-1], _large(ending), _large(""))
    return pc.binary_join_element_wise(*fields, _large(settings.field_delimiter)) if len(fields) > 1 else fields[0]


def _array(value: str, type_: pa.DataType | None = None) -> pa.Array:
    """Create an array of one text from its bytes, because pyarrow imports pandas when it converts a Python object."""
    data = value.encode()
    offset = "i" if type_ is None else "q"
    offsets = array(offset, [0, len(data)])
    return pa.Array.from_buffers(type_ or pa.string(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _string(value: str) -> pa.Scalar:
    return _array(value)[0]


def _large(value: str) -> pa.Scalar:
    return _array(value, pa.large_string())[0]


def _field(column: Cells, settings: Settings) -> pa.Array:
    found = _escaped(column.text, settings) if settings.quote_mode == "none" else _quoted(column, settings)
    if found.null_count:
        null_text = settings.null_text
        if settings.quote_mode == "all":
            null_text = _enclosed(_array(null_text), settings)[0].as_py()
        found = found.fill_null(_string(null_text))
    return found


def _quoted(column: Cells, settings: Settings) -> pa.Array:
    text, mode = column.text, settings.quote_mode
    if mode in {"all", "all_non_null"}:
        return _enclosed(text, settings)
    if column.number is True and _numbers_are_plain(settings):
        return text
    needed = _has_special_characters(text, settings)
    if mode == "all_non_numeric":
        needed = pc.or_(needed, pc.invert(column.number) if isinstance(column.number, pa.Array) else not column.number)
    if not pc.any(needed).as_py():
        return text
    enclosed = _enclosed(text, settings)
    return enclosed if pc.all(needed).as_py() else pc.if_else(needed, enclosed, text)


def _enclosed(text: pa.Array, settings: Settings) -> pa.Array:
    quote = _string(QUOTE)
    return pc.binary_join_element_wise(quote, _escape_quotes(text, settings), quote, _string(""))


def _numbers_are_plain(settings: Settings) -> bool:
    """Return whether no number can contain a special character or equal the text for NULL, so no search is needed."""
    special = {settings.field_delimiter, settings.escape_character}
    return settings.nan_text is None and not settings.null_text and not special & _NUMBER_CHARACTERS


def _has_special_characters(text: pa.Array, settings: Settings) -> pa.Array:
    # Commons CSV's QuoteMode.MINIMAL also quotes texts that begin with a character up to "#" or end with one up to the
    # space, because some parsers misread those. The empty text is less than "$" too.
    found = pc.or_(pc.less(text, _string("$")), pc.not_equal(pc.ascii_rtrim(text, characters=_UP_TO_SPACE), text))
    special = settings.field_delimiter + QUOTE + "\r\n" + (settings.escape_character or "")
    if _any_inside(text, special):
        found = pc.or_(found, pc.match_substring_regex(text, f"[{re.escape(special)}]"))
    for alone in (settings.null_text, _END_OF_COPY):
        if alone:
            found = pc.or_(found, pc.equal(text, _string(alone)))
    return found


def _any_inside(text: pa.Array, characters: str) -> bool:
    """Return whether the column contains one of the characters; a search in its bytes is much faster than a regex."""
    buffer = text.buffers()[2]
    data = buffer.to_pybytes() if buffer else b""
    return any(character.encode() in data for character in characters)


def _escape_quotes(text: pa.Array, settings: Settings) -> pa.Array:
    escape = settings.escape_character or QUOTE
    if not _any_inside(text, escape + QUOTE):
        return text
    if escape == QUOTE:
        return pc.replace_substring(text, QUOTE, QUOTE * 2)
    return _prefix(text, escape + QUOTE, escape)


def _escaped(text: pa.Array, settings: Settings) -> pa.Array:
    escape = settings.escape_character
    if escape in {None, QUOTE}:
        return text
    return _prefix(text, settings.field_delimiter + escape + "\r\n", escape)


def _prefix(text: pa.Array, characters: str, escape: str) -> pa.Array:
    replacement = escape.replace("\\", r"\\") + r"\1"
    return pc.replace_substring_regex(text, f"([{re.escape(characters)}])", replacement)
