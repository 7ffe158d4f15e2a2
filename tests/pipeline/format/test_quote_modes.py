"""
The quote modes are those of Apache Commons CSV: it reads our files, and writes the same text.

The deliberate differences are in ON_PURPOSE.
"""

from __future__ import annotations

import itertools
import random
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from support.files.commons_csv import Number, ReadJob, Row, WriteJob, run
from support.files.tabular import file_of_batch, settings

from persado.pipeline.format.columns import mixed
from persado.settings.models.effective import Settings

NULL_TEXTS = ["", "NULL", "\\N"]
PIECES = [*'aé東🙂,;|\t"\\\n\r #!$Nnr\x01\xa0', "\r\n"]
_random = random.Random(7)
TEXTS: list[str | None] = [
    *PIECES,
    *(f"a{piece}" for piece in PIECES),
    *(f"{piece}a" for piece in PIECES),
    *("".join(_random.choices(PIECES, k=_random.randint(2, 6))) for _ in range(150)),
    *NULL_TEXTS,
    None,
]
NUMBERS = [None if i % 7 == 3 else str(i - 5) if i % 2 else f"-{i}.50" for i in range(len(TEXTS))]

MATRIX = [
    settings(
        quote_mode=mode,
        escape_character=escape,
        file_format="custom",
        delimiter=delimiter,
        line_ending=line_ending,
        header=header,
        null_text=null_text,
    )
    for mode, escape, delimiter, line_ending, header, null_text in itertools.product(
        ["all", "all_non_null", "special_characters", "all_non_numeric", "none"],
        [None, "\\", '"'],
        [",", "\t", "|", ";"],
        ["LF", "CRLF"],
        [True, False],
        NULL_TEXTS,
    )
    if mode != "none" or escape == "\\"  # Commons CSV also refuses to write files that cannot be read
]


def name_of(given: Settings) -> str:
    """Return the test ID of a combination."""
    parts = (
        given.quote_mode,
        given.escape_character,
        given.delimiter,
        given.line_ending,
        given.header,
        given.null_text,
    )
    return "-".join(map(repr, parts))


def expected_rows(given: Settings) -> list[Row]:
    """Return the table as a reader sees it that distinguishes quoted from unquoted text."""
    null = given.null_text if given.quote_mode == "all" else None  # this mode also quotes NULL
    texts = [null if text is None else text for text in TEXTS]
    if given.quote_mode == "none":
        texts = [None if text == given.null_text else text for text in texts]
    numbers = [null if number is None else number for number in NUMBERS]
    header: list[Row] = [["text", "a number"]] if given.header else []
    return header + [list(row) for row in zip(texts, numbers, strict=True)]


def ours(given: Settings, texts: list[str | None] = TEXTS, numbers: list[str | None] = NUMBERS) -> str:
    """Write the table."""
    columns = {"text": pa.array(texts, pa.string()), "a number": mixed(numbers, number=True)}
    return file_of_batch(pa.RecordBatch.from_pydict(columns), **given.model_dump()).decode()


def is_written_alike(text: str | None, given: Settings) -> bool:
    """Return whether Commons CSV writes a value as we do; the last test covers the others."""
    if text is None:
        return given.quote_mode != "all" or (given.escape_character or "") not in given.null_text
    odd = text in {"", given.null_text, "\\."} or (given.quote_mode == "none" and ("\n" in text or "\r" in text))
    return not odd


WRITES = [given for given in MATRIX if given.header]

# Settings, a row, our text, and the text of Commons CSV. The comments state the reasons.
ON_PURPOSE: list[tuple[dict[str, Any], list[Any], str, str]] = [
    # NULL and the empty text stay different.
    ({}, ["a", ""], 'a,""\n', "a,\n"),
    # NULL and a text that looks like it stay different.
    ({"null_text": "NULL"}, ["NULL", None], '"NULL",NULL\n', "NULL,NULL\n"),
    ({"null_text": "-1", "quote_mode": "all_non_numeric"}, [Number("-1"), None], '"-1",-1\n', "-1,-1\n"),
    # Quoted text is escaped, even if it represents NULL.
    ({"null_text": "\\N", "quote_mode": "all", "escape_character": "\\"}, [None], '"\\\\N"\n', '"\\N"\n'),
    # A number that contains a special character would break its row.
    ({"file_format": "custom", "delimiter": ".", "quote_mode": "all_non_numeric"}, [Number("1.5")], '"1.5"\n', "1.5\n"),
    # For PostgreSQL's COPY, this on a separate line ends the data.
    ({}, ["\\."], '"\\."\n', "\\.\n"),
    # A line break is written as one: all readers understand it after an escape character, but few understand \n.
    ({"quote_mode": "none", "escape_character": "\\"}, ["a\nb\r"], "a\\\nb\\\r\n", "a\\nb\\r\n"),
]


def rows_to_write(given: Settings) -> list[tuple[str | None, str | None]]:
    """Return the rows that Commons CSV writes as we do."""
    rows = zip(TEXTS, NUMBERS, strict=True)
    return [row for row in rows if all(is_written_alike(value, given) for value in row)]


@cache
def _commons() -> tuple[list[list[Row]], list[str]]:
    reads = [ReadJob(given, ours(given)) for given in MATRIX]
    writes = []
    for given in WRITES:
        rows: list[list[Any]] = [["text", "a number"]]
        rows += [[text, None if number is None else Number(number)] for text, number in rows_to_write(given)]
        writes.append(WriteJob(given, rows))
    return run(reads, writes + [WriteJob(settings(**given), [row]) for given, row, _, _ in ON_PURPOSE])


@pytest.mark.parametrize("index", range(len(MATRIX)), ids=map(name_of, MATRIX))
def test_commons_csv_reads_our_files(index: int) -> None:
    assert _commons()[0][index] == expected_rows(MATRIX[index])


@pytest.mark.parametrize("index", range(len(WRITES)), ids=map(name_of, WRITES))
def test_commons_csv_writes_the_same(index: int) -> None:
    texts, numbers = zip(*rows_to_write(WRITES[index]), strict=True)
    assert ours(WRITES[index], list(texts), list(numbers)) == _commons()[1][index]


@pytest.mark.parametrize("index", range(len(ON_PURPOSE)))
def test_deliberate_differences_from_commons_csv(index: int) -> None:
    given, row, our_text, their_text = ON_PURPOSE[index]
    columns = {
        str(position): mixed([value.text], number=True) if isinstance(value, Number) else pa.array([value], pa.string())
        for position, value in enumerate(row)
    }
    assert file_of_batch(pa.RecordBatch.from_pydict(columns), header=False, **given).decode() == our_text
    assert _commons()[1][len(WRITES) + index] == their_text
