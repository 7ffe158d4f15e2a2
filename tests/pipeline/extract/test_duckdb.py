"""DuckDB's own types are exported exactly, whatever its settings."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from support.files.sql_values import IN_BOTH
from support.files.tabular import cell_of, rows_of

from persado.errors import ConfigurationError

DUCKDB = {
    "170141183460469231731687303715884105727::hugeint": "170141183460469231731687303715884105727",
    "(-170141183460469231731687303715884105727 - 1)::hugeint": "-170141183460469231731687303715884105728",
    "340282366920938463463374607431768211455::uhugeint": "340282366920938463463374607431768211455",
    "('-' || repeat('9', 60))::bignum": "-" + "9" * 60,
    "18446744073709551615::ubigint": "18446744073709551615",
    "'101'::bit": "101",
    "'happy'::ENUM ('sad', 'happy')": "happy",
    "timestamp_s '2026-01-02 03:04:05'": "2026-01-02 03:04:05",
    "timestamp_ms '2026-01-02 03:04:05.5'": "2026-01-02 03:04:05.500000",
    "timestamp_ns '2026-01-02 03:04:05.123456789'": "2026-01-02 03:04:05.123456789",
    "timestamp_ns '2026-01-02 03:04:05.5'": "2026-01-02 03:04:05.500000",
    "'2026-01-02 03:04:05.123456789+02'::timestamptz_ns": "2026-01-02 01:04:05.123456789+00:00",
    "'05:06:07.000000001'::time_ns": "05:06:07.000000001",
    "'05:06:07-15:59:59'::timetz": "05:06:07-15:59:59",
    "interval '-3000000 hours'": "PT-3000000H",
    "{'a': 1, 'b c': [1.10], 'd': NULL}": '{"a":1,"b c":[1.10],"d":null}',
    "{'t': '05:06:07+02'::timetz, 'u': NULL::uhugeint, 'v': 1::uhugeint}": '{"t":"05:06:07+02:00","u":null,"v":1}',
    "NULL::STRUCT(t TIMETZ)": None,
    "[{'i': interval '1 month'}, NULL]": '[{"i":"P1M"},null]',
    "[[1::uhugeint], []]": "[[1],[]]",
    "[1, 2]::INTEGER[2]": "[1,2]",
    "[1, 2]::UHUGEINT[2]": "[1,2]",
    "map {'k': 1, 'l': NULL}": '{"k":1,"l":null}',
    "map {1: '2026-01-02'::date}": '{"1":"2026-01-02"}',
    "map {'k': 1::uhugeint}": '{"k":1}',
    "map {1::uhugeint: 'x'}": '{"1":"x"}',
    "union_value(k := 1.10)": "1.10",
    "[union_value(k := 'x')::UNION(n INTEGER, k VARCHAR), 5::UNION(n INTEGER, k VARCHAR)]": '["x",5]',
    "[1.10::decimal(4,2)]::variant": "[1.10]",
    "['a'::variant]": '["a"]',
    "'POINT(1 2)'::geometry": "POINT (1 2)",
    "get_type('x')": "VARCHAR",
    "['{\"a\":  1.10}'::json]": '[{"a":  1.10}]',
}


@pytest.mark.parametrize(("expression", "expected"), DUCKDB.items())
def test_types_that_only_duckdb_has(expression: str, expected: str | None, duck: Any) -> None:
    assert cell_of(duck, expression) == expected


def test_settings_of_duckdb_do_not_change_values(duck: Any) -> None:
    duck.execute("SET arrow_lossless_conversion = true; SET arrow_large_buffer_size = true")
    duck.execute("SET arrow_output_list_view = true; SET arrow_output_version = '1.4'; SET TimeZone = 'Asia/Kolkata'")
    assert [cell_of(duck, expression) for expression in {**IN_BOTH, **DUCKDB}] == [*IN_BOTH.values(), *DUCKDB.values()]


def test_union_of_a_type_without_arrow_counterpart_is_refused(duck: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"column 'x': a value of type UNION\(k UHUGEINT\) has no text form"):
        cell_of(duck, "union_value(k := 1::uhugeint)")


def test_unknown_table_is_not_replaced_by_a_python_variable(duck: Any) -> None:
    connection = pa.table({"x": [1]})
    with pytest.raises(ConfigurationError, match="Catalog Error: Table with name connection does not exist"):
        rows_of(duck, "SELECT * FROM connection")
    del connection
