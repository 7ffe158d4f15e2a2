"""A user's function over the rows: its input, its valid results, and the errors if it fails."""

from __future__ import annotations

import sqlite3
import textwrap
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from support import postgres
from support.files.tabular import settings

from persado.errors import ConfigurationError, PersadoError
from persado.pipeline.extract.engines import formatted_text
from persado.pipeline.rows.row_spec import RowSpec
from persado.pipeline.rows.rows import Rows
from persado.pipeline.rows.user_function import transformed
from persado.settings import Column, Contract

SECRET = "jane.doe@example.com"


def sent(function: Any, sql: str, tmp_path: Path, **given: Any) -> str:
    """Return the file of a query in DuckDB with a function, written as the body of `f(frame)`."""
    with duckdb.connect() as connection:
        return sent_from(function, sql, tmp_path, connection, **given)


def sent_from(function: Any, sql: str, tmp_path: Path, connection: Any, **given: Any) -> str:
    """Return the file of a query in any database with a function."""
    (tmp_path / "mine.py").write_text(
        "import datetime, decimal\nimport numpy as np\nimport pandas as pd\nimport pyarrow as pa\n"
        f"def f(frame):\n{textwrap.indent(textwrap.dedent(function), '    ')}\n"
    )
    columns = tuple(Column.model_validate(column) for column in given.pop("columns", ())) or None
    row_spec = RowSpec(
        transform="mine:f", transform_folder=tmp_path, columns=columns, contract=given.pop("contract", None)
    )
    with formatted_text(connection, sql, row_spec, settings(**given)) as text:
        return b"".join(block for _, _, block in text.blocks).decode()


def rows(*batches: list[Any]) -> Rows:
    """Return a result of one column in several batches."""
    return Rows(("a",), iter([pa.RecordBatch.from_pydict({"a": batch}) for batch in batches]), "dbapi")


def test_the_function_gets_arrow_backed_types_and_unchanged_values_stay_exact(tmp_path: Path) -> None:
    sql = """SELECT 9007199254740993 AS big, NULL::BIGINT AS none, '007' AS zeros, 1.10::DECIMAL(9, 2) AS n,
        TIMESTAMPTZ '2026-03-05 01:02:03+01' AS t, true AS b, [1, 2] AS l, 0.1::DOUBLE AS f"""
    with duckdb.connect() as connection, formatted_text(connection, sql, RowSpec(), settings()) as text:
        plain = b"".join(block for _, _, block in text.blocks).decode()
    function = "assert all(isinstance(kind, pd.ArrowDtype) for kind in frame.dtypes)\nreturn frame"
    assert sent(function, sql, tmp_path) == plain


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("[1, None]", ["1", ""]),  # pandas converts these to floats
        ("pd.array([9007199254740993, None], dtype='Int64')", ["9007199254740993", ""]),
        ("pd.array([True, None], dtype='boolean')", ["true", ""]),
        ("['007', None]", ["007", ""]),
        ("[decimal.Decimal('1.10'), decimal.Decimal('1E+3')]", ["1.10", "1000"]),
        ("[0.1, 1e22]", ["0.1", "1e+22"]),
        ("pd.to_datetime(['2026-03-05 01:02:03', None])", ["2026-03-05 01:02:03", ""]),
        ("pd.to_datetime(['2026-03-05T01:02:03+01:00', None])", ["2026-03-05 00:02:03+00:00", ""]),
        ("[datetime.date(2026, 3, 5), None]", ["2026-03-05", ""]),
        ("[1, 'x']", ["1", "x"]),
        ("[b'\\x00\\xff', None]", ["00ff", ""]),
        ("np.array([0.1, 2], dtype='float32')", ["0.1", "2.0"]),
        ("pd.Series([np.float32(0.1), np.float16(0.1)], dtype=object)", ["0.1", "0.1"]),
        ("pd.array([0.1, None], dtype='Float32')", ["0.1", ""]),
        (
            "pd.Series([np.datetime64('2026-03-05T01:02:03.123456789'), np.timedelta64(1500, 'ms')], dtype=object)",
            ["2026-03-05 01:02:03.123456789", "PT1.5S"],
        ),
        ("pd.Categorical(['x', None])", ["x", ""]),
        ("pd.array([[1, 2], None], dtype=pd.ArrowDtype(pa.list_(pa.int64())))", ['"[1,2]"', ""]),
    ],
)
def test_new_values_have_the_usual_text(tmp_path: Path, expression: str, expected: list[str]) -> None:
    # With a second column, a row with NULL is not an empty line.
    text = sent(f"return pd.DataFrame({{'x': {expression}, 'y': [0, 0]}})", "SELECT 1", tmp_path)
    whole = "1.0" if expression == "[1, None]" else expected[0]
    assert text.split("\n") == ["x,y", f"{whole},0", f"{expected[1]},0", ""]


def test_rows_may_be_dropped_and_added_and_columns_created(tmp_path: Path) -> None:
    function = """
        frame = frame[frame["i"].isin([1, 3])]
        frame["twice"] = frame["i"] * 2
        return pd.concat([frame, frame.tail(1)])
    """
    text = sent(function, "SELECT i FROM range(4) t(i)", tmp_path, columns=[{"name": "T", "from": "twice"}])
    assert text == "T\n2\n6\n6\n"


def test_the_function_gets_an_empty_frame_for_an_empty_result(tmp_path: Path) -> None:
    assert sent("frame['b'] = frame['a']\nreturn frame", "SELECT 1 AS a LIMIT 0", tmp_path) == "a,b\n"


def test_the_contract_checks_the_result_of_the_function(tmp_path: Path) -> None:
    contract = Contract.model_validate({"columns": [{"name": "a", "type": "integer"}]})
    with pytest.raises(Exception, match=r"column 'a': expected a whole number, 1 row\(s\) differ, such as 1"):
        sent("frame['a'] = 'x'\nreturn frame", "SELECT 1 AS a", tmp_path, contract=contract)


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        ("raise ValueError(frame['a'].iloc[0])", "it raised ValueError at mine.py:6"),
        ("return int(frame['a'].iloc[0])", "it raised ValueError at mine.py:6"),
        ("return None", "expected a DataFrame with text as column names, got NoneType"),
        ("return frame['a']", "expected a DataFrame with text as column names, got Series"),
        ("yield frame", "expected a DataFrame with text as column names, got generator"),
        ("return pd.DataFrame({1: [1]})", "expected a DataFrame with text as column names, got names of type int"),
        ("return frame[[]]", "expected a DataFrame with columns, got one without columns"),
        (
            "return pd.concat([frame, frame], axis=1)",
            "expected a DataFrame with unique column names, got several named a",
        ),
        ("raise SystemExit(frame['a'].iloc[0])", "it raised SystemExit at mine.py:6"),
        ("return frame.map(lambda value: int(value))", "it raised ValueError at mine.py:6"),
        ("return f(frame, 1)", "it raised TypeError at mine.py:6"),
    ],
)
def test_the_error_names_function_and_batch_but_no_value(tmp_path: Path, function: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        sent(function, f"SELECT '{SECRET}' AS a", tmp_path)
    assert str(caught.value) == f"transform mine:f, batch 1 (from row 1): {problem}"
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_the_error_names_a_later_batch_with_its_first_row() -> None:
    def fails_later(frame: pd.DataFrame) -> pd.DataFrame:
        if 3 in frame["a"].to_list():
            raise KeyError(SECRET)
        return frame

    result = transformed(rows([1] * 9_000, [2] * 3_000, [3]), fails_later, "m:f")
    with pytest.raises(ConfigurationError, match=r"^transform m:f, batch 2 \(from row 10001\): it raised KeyError at "):
        list(result.batches)


def test_the_function_gets_batches_of_one_size_whatever_the_driver_returns() -> None:
    seen: list[int] = []

    def record(frame: pd.DataFrame) -> pd.DataFrame:
        seen.append(len(frame))
        return frame

    result = transformed(rows([None], [1], *[[2] * 3_000] * 5, list(range(8_000))), record, "m:f")
    values = [value for batch in result.batches for value in batch.column(0).to_pylist()]
    assert seen == [10_000, 10_000, 3_002]
    assert values == [None, 1, *[2] * 15_000, *range(8_000)]


def test_batches_of_large_values_are_smaller() -> None:
    seen: list[int] = []

    def record(frame: pd.DataFrame) -> pd.DataFrame:
        seen.append(len(frame))
        return frame

    list(transformed(rows(*[["x" * 1_000_000] * 20] * 5), record, "m:f").batches)
    assert max(seen) <= 40
    assert sum(seen) == 100


DATABASES: dict[str, Any] = {
    "sqlite": lambda: closing(sqlite3.connect(":memory:")),
    "duckdb": lambda: closing(duckdb.connect()),
    "postgres": lambda: closing(postgres.connect()),
}


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("frame['n'] * 2", "2.20"),
        ("frame['n'] + frame['i']", "4.10"),
        ("frame['n'] / 4", "0.275"),
        ("frame['i'] + 1", "4"),
        ("frame['s'].str.upper()", ""),
        ("frame['s'].fillna('x')", "x"),
        ("frame['none'].fillna(0) + 1", "1"),
        ("frame['decimal'].fillna(0) * 2", "0.00"),
    ],
)
def test_functions_can_calculate_with_columns_of_any_content(
    tmp_path: Path, database: str, expression: str, expected: str
) -> None:
    sql = """SELECT CAST(1.10 AS NUMERIC(9,2)) AS n, CAST(3 AS INTEGER) AS i, CAST(NULL AS VARCHAR(9)) AS s,
        CAST(NULL AS INTEGER) AS none, CAST(NULL AS NUMERIC(9,2)) AS decimal"""
    function = f"return pd.DataFrame({{'x': {expression}, 'y': 'y'}})"
    knows_types = database != "sqlite"
    for query, file in ((sql, f"x,y\n{expected},y\n"), (f"{sql} WHERE 1 = 0", "x,y\n")):
        if "fillna(0)" in expression and not knows_types:
            continue  # SQLite reports no types, so a column with NULL only is text
        with DATABASES[database]() as connection:
            text = sent_from(function, query, tmp_path, connection)
        if knows_types and expression != "frame['n'] / 4":  # the number of digits differs between Arrow and SQLite
            assert text == file
        else:
            assert text.count("\n") == file.count("\n")


def test_every_batch_must_have_the_same_columns() -> None:
    result = transformed(rows([1] * 10_000, [2]), lambda frame: frame.rename(columns={"a": f"a{frame['a'][0]}"}), "m:f")
    with pytest.raises(
        ConfigurationError, match=r"batch 2 \(from row 10001\): expected the columns of the first batch"
    ):
        list(result.batches)


def test_column_names_derived_from_values_are_not_shown(tmp_path: Path) -> None:
    pivot = "return frame.assign(b=1).pivot(columns='a', values='b')"
    wanted = [{"name": "b"}]
    contract = Contract.model_validate({"columns": wanted})
    for given in ({"columns": wanted}, {"contract": contract}):
        with pytest.raises(PersadoError, match=r"b.*1 that the query does not have") as caught:
            sent(pivot, f"SELECT '{SECRET}' AS a", tmp_path, **given)
        assert SECRET not in str(caught.value)
    by_batch = transformed(
        rows(["x"] * 10_000, [SECRET]), lambda frame: pd.DataFrame({name: [1] for name in set(frame["a"])}), "m:f"
    )
    with pytest.raises(ConfigurationError, match="missing: 1 that the query does not have; new: 1 that") as mismatch:
        list(by_batch.batches)
    assert SECRET not in str(mismatch.value)


def test_the_error_for_a_value_without_text_has_row_and_column(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="row 2, column 'a': ") as caught:
        sent("frame['a'] = [0, object()]\nreturn frame", "SELECT i AS a FROM range(2) t(i)", tmp_path)
    assert "object at" not in str(caught.value)


def test_a_column_of_mixed_types_in_sqlite_becomes_text() -> None:
    from persado.pipeline.extract.engines import extract

    seen: list[Any] = []

    def record(frame: pd.DataFrame) -> pd.DataFrame:
        seen.extend(frame["a"].to_list())
        return frame

    with sqlite3.connect(":memory:") as connection:
        sql = "SELECT * FROM (SELECT 1 AS a UNION ALL SELECT 'x' UNION ALL SELECT 2.5)"
        with extract(connection, sql) as result:
            list(transformed(result, record, "m:f").batches)
    connection.close()
    assert seen == ["1", "x", "2.5"]
