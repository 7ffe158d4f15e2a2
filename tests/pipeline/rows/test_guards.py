"""The guards on the number of rows, and the sink that measures a file while it is written."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest

from persado.errors import RejectedError
from persado.pipeline.rows.guards import EmptyResult, check_change, check_rows
from persado.pipeline.stage.artifact import MeasuredSink
from persado.settings.models.guards import ChangeGuard, RowGuards


@pytest.mark.parametrize(
    ("rows", "guards", "warnings"),
    [
        (1, {}, ()),
        (10, {"fail_below": 10, "fail_above": 10, "warn_below": 10, "warn_above": 10}, ()),
        (9, {"warn_below": 10}, ("the query returned 9 rows, fewer than rows.warn_below (10)",)),
        (11, {"warn_above": 10}, ("the query returned 11 rows, more than rows.warn_above (10)",)),
        (0, {"warn_below": 10, "fail_below": 5}, ("the query returned no rows",)),
    ],
)
def test_normal_numbers_of_rows_pass(rows: int, guards: dict[str, int], warnings: tuple[str, ...]) -> None:
    assert check_rows(rows, RowGuards(**guards), "send") == warnings


@pytest.mark.parametrize(
    ("rows", "guards", "problem"),
    [
        (9, {"fail_below": 10}, r"9 rows, but rows.fail_below is 10: nothing was sent"),
        (11, {"fail_above": 10, "warn_above": 5}, r"11 rows, but rows.fail_above is 10: nothing was sent"),
        (1, {"fail_above": 0}, r"1 rows, but rows.fail_above is 0"),
    ],
)
def test_other_numbers_of_rows_are_refused(rows: int, guards: dict[str, int], problem: str) -> None:
    with pytest.raises(RejectedError, match=problem):
        check_rows(rows, RowGuards(**guards), "fail")


def test_on_empty_decides_about_an_empty_result() -> None:
    with pytest.raises(RejectedError, match="no rows, and on_empty is 'fail': nothing was sent"):
        check_rows(0, RowGuards(), "fail")
    with pytest.raises(EmptyResult):
        check_rows(0, RowGuards(fail_below=1), "skip")


@pytest.mark.parametrize(
    ("rows", "last", "passes"),
    [
        (150, 100, True),
        (151, 100, False),
        (50, 100, True),
        (49, 100, False),
        (7, None, True),
        (0, 0, True),
        (0, 100, True),  # on_empty decides
        (9, 0, True),
        (3, 2, True),
    ],
)
def test_a_large_change_is_refused(rows: int, last: Any, passes: bool) -> None:
    guard = ChangeGuard(fail_above_percent=50)
    if passes:
        assert len(check_change(rows, last, guard)) == (rows > 0 and last == 0)
    else:
        with pytest.raises(RejectedError, match=rf"returned {rows} rows, the last delivery had {last}: .* 50 %"):
            check_change(rows, last, guard)


def test_the_sink_counts_and_hashes_the_bytes() -> None:
    target = io.BytesIO()
    sink = MeasuredSink(target)
    assert sink.writable()
    for block in (b"a,b\n", memoryview(b"1,2\n"), bytearray(b"")):
        assert sink.write(block) == len(block)
    assert (target.getvalue(), sink.bytes) == (b"a,b\n1,2\n", 8)
    assert sink.sha256 == hashlib.sha256(b"a,b\n1,2\n").hexdigest()
