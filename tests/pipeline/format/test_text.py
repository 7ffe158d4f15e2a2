"""The text of every value, and that columns have the same text."""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import math
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import postgres

from persado.errors import ConfigurationError
from persado.pipeline.format.columns import MIXED, cells, column
from persado.pipeline.format.text import JSONText, duration, text

UTC = dt.UTC
NEW_YORK = dt.timezone(dt.timedelta(hours=-5))
ID = uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", ""),
        ("007", "007"),
        (" O'Hara\n", " O'Hara\n"),
        (0, "0"),
        (-(10**60), "-1" + 60 * "0"),
        (True, "true"),
        (False, "false"),
        (Decimal("1.10"), "1.10"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-9"), "0.000000001"),
        (Decimal("0E-10"), "0.0000000000"),
        (Decimal("-0.00"), "0.00"),
        (Decimal("1E+400"), "1" + 400 * "0"),
        (0.1, "0.1"),
        (1.0, "1.0"),
        (1e16, "1e+16"),
        (1e-5, "1e-05"),
        (-0.0, "-0.0"),
        (5e-324, "5e-324"),
        (dt.date(1, 1, 1), "0001-01-01"),
        (dt.time(5, 6, 7), "05:06:07"),
        (dt.time(5, 6, 7, 500_000, NEW_YORK), "05:06:07.500000-05:00"),
        (dt.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02 03:04:05"),
        (dt.datetime(2026, 1, 2, 3, 4, 5, 60), "2026-01-02 03:04:05.000060"),
        (dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02 03:04:05+00:00"),
        (dt.datetime(2026, 1, 2, 23, 4, 5, tzinfo=NEW_YORK), "2026-01-03 04:04:05+00:00"),
        (dt.timedelta(days=-1, microseconds=1), "P-1DT0.000001S"),
        (pa.MonthDayNano([14, -3, -4_500_000_000]), "P1Y2M-3DT-4.5S"),
        (b"\x00\xffA", "00ff41"),
        (memoryview(b"\x01"), "01"),
        (ID, str(ID)),
        (ipaddress.ip_interface("10.0.0.1/8"), "10.0.0.1/8"),
        ([], "[]"),
        ([1, None, "a\"b", Decimal("1.10"), True, [dt.date(2026, 1, 2)], b"\x01"],
         '[1,null,"a\\"b",1.10,true,["2026-01-02"],"01"]'),
        ({"a": {"é": 1.5}, "b": None}, '{"a":{"é":1.5},"b":null}'),
        ([JSONText('{"a":  1.10}')], '[{"a":  1.10}]'),
    ],
)  # fmt: skip
def test_text_of_each_type(value: Any, expected: str | None) -> None:
    assert text(value) == expected


NOT_NUMBERS = [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("-Infinity")]


@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_nan_is_refused_or_written_as_nan_text(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"NaN or Infinity has no agreed text; set nan_text"):
        text(value)
    assert text(value, "n/a") == "n/a"
    assert text([1, value], "n/a") == '[1,"n/a"]'


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="type complex has no text form; cast the column to text"):
        text(1j)


@pytest.mark.parametrize(
    ("months", "days", "microseconds"),
    [
        (0, 0, 0), (14, 0, 0), (-14, 0, 0), (-1, 3, -4_500_000), (12, -1, 1), (0, 0, -1), (0, 0, 3_600_000_000),
        (0, 40, 86_400_000_000), (-25, -400, -(10**15)), (0, 1, -60_000_000), (11, 0, 59_999_999), (0, 0, 10**16),
    ],
)  # fmt: skip
def test_intervals_are_written_as_postgresql_does(months: int, days: int, microseconds: int) -> None:
    with postgres.connect() as connection:
        connection.execute("SET intervalstyle = 'iso_8601'")
        sql = "SELECT (make_interval(months => %s, days => %s) + %s * interval '1 microsecond')::text"
        expected = connection.execute(sql, (months, days, microseconds)).fetchone()
    assert expected is not None
    assert duration(months, days, microseconds) == expected[0]


# Arrow types with Python values, without NaN and values that have no text.
DAYS = st.dates()
MOMENTS = st.datetimes(min_value=dt.datetime(1, 1, 2), max_value=dt.datetime(9999, 12, 30))
SMALL_MOMENTS = st.datetimes(min_value=dt.datetime(1700, 1, 1), max_value=dt.datetime(2200, 1, 1))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "int8": (pa.int8(), st.integers(-(2**7), 2**7 - 1)),
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "uint64": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "float64": (pa.float64(), FINITE),
    "float64_whole": (pa.float64(), st.integers(-(10**17), 10**17).map(float)),
    "float64_short": (pa.float64(), st.decimals(-(10**11), 10**11, places=3).map(float)),
    "bool": (pa.bool_(), st.booleans()),
    "string": (pa.string(), TEXTS),
    "large_string": (pa.large_string(), TEXTS),
    "string_view": (pa.string_view(), TEXTS),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), TEXTS),
    "binary": (pa.binary(), st.binary(max_size=4)),
    "date32": (pa.date32(), DAYS),
    "date64": (pa.date64(), DAYS),
    "time_s": (pa.time32("s"), st.times().map(lambda t: t.replace(microsecond=0))),
    "time_us": (pa.time64("us"), st.times() | st.just(dt.time(1, 2, 3))),
    "timestamp_s": (pa.timestamp("s"), MOMENTS.map(lambda t: t.replace(microsecond=0))),
    "timestamp_ms": (pa.timestamp("ms"), MOMENTS.map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))),
    "timestamp_us": (pa.timestamp("us"), MOMENTS | MOMENTS.map(lambda t: t.replace(microsecond=0))),
    "timestamp_utc": (pa.timestamp("us", "UTC"), MOMENTS.map(lambda t: t.replace(tzinfo=UTC))),
    "timestamp_ny": (pa.timestamp("us", "America/New_York"), MOMENTS.map(lambda t: t.replace(tzinfo=UTC))),
    "timestamp_ns": (pa.timestamp("ns"), SMALL_MOMENTS),
    "duration": (pa.duration("us"), st.timedeltas(dt.timedelta(days=-9999), dt.timedelta(days=9999))),
    "decimal128": (pa.decimal128(12, 2), st.decimals(-(10**9), 10**9, places=2)),
    "decimal_small": (pa.decimal128(30, 12), st.decimals(-1000, 1000, places=12) | st.just(Decimal("0E-12"))),
    "decimal256": (pa.decimal256(76, 0), st.integers(-(10**75), 10**75).map(Decimal)),
    "uuid": (pa.uuid(), st.uuids()),
    "list": (pa.list_(pa.decimal128(12, 2)), st.lists(st.none() | st.decimals(-99, 99, places=2), max_size=3)),
    "list_of_dates": (pa.large_list(pa.date32()), st.lists(DAYS, max_size=3)),
    "nested": (pa.list_(pa.list_(pa.string())), st.lists(st.none() | st.lists(TEXTS, max_size=2), max_size=2)),
    "fixed": (pa.list_(pa.bool_(), 2), st.lists(st.none() | st.booleans(), min_size=2, max_size=2)),
    "struct": (
        pa.struct([("a", pa.int8()), ("é", pa.list_(pa.float64()))]),
        st.builds(
            lambda a, é: {"a": a, "é": é}, st.none() | st.integers(-9, 9), st.none() | st.lists(FINITE, max_size=2)
        ),
    ),
    "map": (pa.map_(pa.string(), pa.int8()), st.dictionaries(TEXTS, st.none() | st.integers(-9, 9), max_size=3)),
    "null": (pa.null(), st.none()),
}  # fmt: skip
SLOW = settings(max_examples=30, deadline=None, derandomize=True)


@SLOW
@given(data=st.data())
@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_has_the_text_of_its_values(kind: str, data: st.DataObject) -> None:
    type_, strategy = COLUMNS[kind]
    values = data.draw(st.lists(st.none() | strategy, max_size=8))
    entries = [list(v.items()) if v is not None else None for v in values] if kind == "map" else values
    array = pa.array([None, *entries, None], type_)[1:-1]  # a slice of a larger array, like some batches
    found = cells(array, name="x", first_row=1)
    assert found.text.to_pylist() == [text(value) for value in values]
    assert found.text.type == pa.string()
    assert found.number == (kind.startswith(("int", "uint", "float", "decimal")))


@SLOW
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_a_single_precision_float_has_its_shortest_text(values: list[float]) -> None:
    array = pa.array(values, pa.float32())
    found = cells(array, name="x", first_row=1).text.to_pylist()
    assert pa.array(map(float, found), pa.float32()) == array
    # As many digits as PostgreSQL writes for a real.
    assert found == [repr(float(shortest)) for shortest in array.cast(pa.string()).to_pylist()]


ANYTHING = [
    FINITE, st.integers(), TEXTS, st.booleans(), MOMENTS, DAYS, st.times(), st.binary(max_size=3),
    st.decimals(allow_nan=False, allow_infinity=False), st.lists(st.integers(), max_size=2),
]  # fmt: skip


@SLOW
@given(st.one_of(*(st.lists(st.none() | kind, max_size=6) for kind in ANYTHING), st.lists(st.one_of(*ANYTHING))))
def test_the_values_of_a_driver_have_the_same_text_in_a_column(values: list[Any]) -> None:
    array = column(values, name="x", first_row=1)
    assert cells(array, name="x", first_row=1).text.to_pylist() == [text(value) for value in values]


@SLOW
@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**90), max_value=10**90)))
def test_decimals_with_more_digits_than_arrow_supports(values: list[Decimal]) -> None:
    with decimal.localcontext(prec=120):
        array = column(values, name="x", first_row=1)
        assert cells(array, name="x", first_row=1).text.to_pylist() == [text(value) for value in values]


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ([1, "1", None, True, Decimal(1)], [True, False, None, False, True]),
        ([10**30, 1], [True, True]),
        ([Decimal("1.1"), Decimal("1.10")], [True, True]),
    ],
)
def test_mixed_columns_record_which_values_are_numbers(values: list[Any], numbers: list[bool | None]) -> None:
    array = column(values, name="x", first_row=1)
    assert array.type == MIXED
    found = cells(array, name="x", first_row=1)
    assert isinstance(found.number, pa.Array)
    assert found.number.to_pylist() == numbers


def test_a_column_stays_mixed_and_a_batch_of_null_has_the_previous_type() -> None:
    assert column([1], name="x", first_row=1, previous=MIXED).type == MIXED
    assert column([None], name="x", first_row=1, previous=pa.date32()).type == pa.date32()
    assert column([None], name="x", first_row=1).type == pa.null()


@pytest.mark.parametrize(
    ("array", "row", "problem"),
    [
        (pa.array([1.0, math.nan]), 12, "NaN or Infinity"),
        (pa.array([0.5, 1e300, 1e-300, math.inf]), 14, "NaN or Infinity"),
        (pa.array([[1.0], [], None, [2.0, math.nan]]), 14, "NaN or Infinity"),
        (pa.array([{"a": 1.0}, {"a": math.nan}]), 12, "NaN or Infinity"),
        (pa.array([[("k", 1.0)], [("k", math.nan)]], pa.map_(pa.string(), pa.float64())), 12, "NaN or Infinity"),
        (pa.array([None, 2932897], pa.int32()).cast(pa.date32()), 12, "between the years 0001 and 9999"),
        (pa.array([[-800000]], pa.list_(pa.int32())).cast(pa.list_(pa.date32())), 11, "between the years"),
        (pa.array([0, 2**62]).cast(pa.timestamp("us")), 12, "between the years"),
        (pa.array([0, 2**63 - 1]).cast(pa.timestamp("ns")), 12, "between the years"),
        (pa.array([0, -(2**62)]).cast(pa.timestamp("s")), 12, "between the years"),
    ],
)
def test_an_error_names_the_row_and_the_column(array: pa.Array, row: int, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"row {row}, column 'x': .*{problem}") as caught:
        cells(array, name="x", first_row=11)
    assert caught.value.__context__ is None


def test_nan_text_is_used_in_columns_lists_and_structs() -> None:
    array = pa.array([{"a": [1.5, math.nan]}])
    assert cells(array, name="x", first_row=1, nan_text="n/a").text.to_pylist() == ['{"a":[1.5,"n/a"]}']
    assert cells(pa.array([math.nan, 2.0]), name="x", first_row=1, nan_text="").text.to_pylist() == ["", "2.0"]


def test_a_lone_surrogate_is_refused_without_being_quoted() -> None:
    with pytest.raises(ConfigurationError, match=r"row 2, column 'x': the text is not valid Unicode") as caught:
        column(["ok", "canary\ud800"], name="x", first_row=1)
    assert "canary" not in repr(caught.value)
    assert caught.value.__context__ is None
