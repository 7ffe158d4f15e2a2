"""Record batches in a file, with types that change between batches."""

from __future__ import annotations

import io
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from persado.pipeline.extract.engines import extract
from persado.pipeline.format.columns import mixed
from persado.pipeline.stage.arrow_file import ArrowWriter, read_batches


def batch(**columns: object) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


@pytest.mark.parametrize(
    "batches",
    [
        [],
        [batch(a=[1, None], b=["x", "y"])],
        [batch(a=[1], b=["x"]), batch(a=[2], b=["y"])],
        [batch(a=[1], b=["x"]), batch(a=[1.5], b=["x"]), batch(a=pa.nulls(1), b=["x"]), batch(a=[1], b=["x"])],
        [batch(a=mixed(["1", None], number=True), b=["x", "y"]), batch(a=[1], b=["x"])],
        [batch(a=pa.array([], pa.int64()), b=pa.array([], pa.string()))],
    ],
)
def test_batches_are_read_as_written(batches: list[pa.RecordBatch], tmp_path: Path) -> None:
    path = tmp_path / "extract"
    with path.open("wb") as sink:
        writer = ArrowWriter(sink, ["a", "b"])
        for one in batches:
            writer.write(one)
        writer.close()
    with path.open("rb") as source:
        columns, found = read_batches(source)
        assert columns == ("a", "b")
        assert list(found) == batches


def test_every_type_of_duckdb_is_stored() -> None:
    sink = io.BytesIO()
    with duckdb.connect() as connection, extract(connection, "FROM test_all_types()") as rows:
        writer = ArrowWriter(sink, rows.columns)
        batches = list(rows.batches)
        for one in batches:
            writer.write(one)
        writer.close()
    columns, found = read_batches(io.BytesIO(sink.getvalue()))
    assert columns == tuple(batches[0].schema.names)
    assert [one.num_rows for one in found] == [one.num_rows for one in batches]
