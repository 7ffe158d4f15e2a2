"""Split outputs: by rows or by megabytes, with the header in every part."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support.files.tabular import settings

from persado.pipeline.format.split import MEGABYTE, parts
from persado.settings.models.effective import Settings


def split(
    batches: list[pa.RecordBatch], given_settings: Settings, columns: tuple[str, ...] = ("x",)
) -> dict[int, bytes]:
    """Return the text of each part, and check the order of the parts and the row counts."""
    texts: dict[int, bytes] = {}
    lines = int(given_settings.header)
    for part, rows, text in parts(batches, ("x",), given_settings):
        assert part in {len(texts), len(texts) + 1}
        assert text.count(b"\n") == (rows if part in texts else lines)
        texts[part] = texts.get(part, b"") + text
    return texts


def numbers(rows: int, *, batch: int = 10_000) -> list[pa.RecordBatch]:
    """Return the numbers from 1 on, in batches."""
    found = pa.RecordBatch.from_pydict({"x": range(1, rows + 1)})
    return [found[first : first + batch] for first in range(0, rows, batch)]


def texts_of(*sizes: int) -> list[pa.RecordBatch]:
    """Return one batch of texts whose lines, including the line ending, have these sizes in bytes."""
    return [pa.RecordBatch.from_pydict({"x": ["x" * (size - 1) for size in sizes]})]


def test_without_split_there_is_one_part() -> None:
    assert split(numbers(25_000), settings()) == {1: b"x\n" + b"".join(b"%d\n" % n for n in range(1, 25_001))}


@pytest.mark.parametrize("given_split", [None, {"rows": 50_000}, {"megabytes": 1}])
@pytest.mark.parametrize("batches", [[], [pa.RecordBatch.from_pydict({"x": pa.nulls(0)})]])
def test_an_empty_result_is_one_part_with_a_header(given_split: Any, batches: list[pa.RecordBatch]) -> None:
    assert split(batches, settings(split=given_split)) == {1: b"x\n"}
    assert split(batches, settings(split=given_split, header=False)) == {1: b""}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (1, [1]),
        (49_999, [49_999]),
        (50_000, [50_000]),
        (50_001, [50_000, 1]),
        (100_000, [50_000, 50_000]),
        (125_000, [50_000, 50_000, 25_000]),
    ],
)
@pytest.mark.parametrize("batch", [7_001, 10_000, 200_000])
@pytest.mark.parametrize("header", [True, False])
def test_parts_have_the_number_of_rows(rows: int, expected: list[int], batch: int, header: bool) -> None:
    found = split(numbers(rows, batch=batch), settings(split={"rows": 50_000}, header=header))
    assert [text.count(b"\n") - header for text in found.values()] == expected
    assert list(found) == list(range(1, len(expected) + 1))
    lines = [line for text in found.values() for line in text.splitlines() if line != b"x"]
    assert lines == [b"%d" % number for number in range(1, rows + 1)]
    assert all(text.startswith(b"x\n") == header for text in found.values())


def test_the_row_number_continues_in_the_next_part() -> None:
    found = split(numbers(120_000), settings(split={"rows": 50_000}, row_number="row_number"))
    assert [text.splitlines()[:2] for text in found.values()] == [
        [b"row_number,x", b"1,1"],
        [b"row_number,x", b"50001,50001"],
        [b"row_number,x", b"100001,100001"],
    ]


HEADER = len("x\n")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        # A part with its header has at most one megabyte.
        ([MEGABYTE - HEADER], [1]),
        ([MEGABYTE - HEADER - 10, 10], [2]),
        ([MEGABYTE - HEADER - 10, 11], [1, 1]),
        ([10, MEGABYTE - HEADER - 10, 10], [2, 1]),
        # A line that is too long for any part gets a separate part.
        ([MEGABYTE], [1]),
        ([3 * MEGABYTE], [1]),
        ([10, 3 * MEGABYTE, 10, 10], [1, 1, 2]),
        ([2 * MEGABYTE, 2 * MEGABYTE], [1, 1]),
        ([10, 2 * MEGABYTE], [1, 1]),
    ],
)
def test_parts_have_the_size_in_megabytes(sizes: list[int], expected: list[int]) -> None:
    found = split(texts_of(*sizes), settings(split={"megabytes": 1}))
    assert [text.count(b"\n") - 1 for text in found.values()] == expected
    one_by_one = [batch for size in sizes for batch in texts_of(size)]
    assert split(one_by_one, settings(split={"megabytes": 1})) == found


def test_a_megabyte_is_counted_in_bytes_of_the_formatted_text() -> None:
    batch = pa.RecordBatch.from_pydict({"x": ["é" * 1000] * 2000})  # 2004 bytes a line, with quotes and line ending
    given_settings = settings(split={"megabytes": 1}, quote_mode="all", line_ending="CRLF")
    found = split([batch], given_settings)
    a_part = (MEGABYTE - len('"x"\r\n')) // 2004
    assert [text.count(b"\n") - 1 for text in found.values()] == [a_part] * 4 + [2000 - 4 * a_part]


@hypothesis_settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.integers(1, 2 * MEGABYTE), max_size=4), max_size=4), st.booleans())
def test_parts_are_as_full_as_possible(batches: list[list[int]], header: bool) -> None:
    given_settings = settings(split={"megabytes": 1}, header=header)
    found = list(split([batch for sizes in batches for batch in texts_of(*sizes)], given_settings).values())
    head = b"x\n" if header else b""
    lines = [[len(line) for line in text.removeprefix(head).splitlines(keepends=True)] for text in found]
    assert [size for part in lines for size in part] == [max(size, 1 + 2 * (size == 1)) for b in batches for size in b]
    for part, following in pairwise(lines):
        assert len(head) + sum(part) <= MEGABYTE or len(part) == 1
        assert len(head) + sum(part) + following[0] > MEGABYTE
