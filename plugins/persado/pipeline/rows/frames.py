"""Convert record batches to pandas DataFrames for users' functions, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from persado.pipeline.format.columns import MIXED, column
from persado.pipeline.rows.rows import BATCH_BYTES, BATCH_ROWS

if TYPE_CHECKING:
    import pandas as pd

# Arrow's arithmetic adds the precisions of both operands and fails above 38 or 76 digits, so a column should have no
# higher precision than it needs.
_DIGITS = (9, 18, 28, 38)


def regrouped(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield batches of :data:`BATCH_ROWS` rows, or fewer if values are large, whatever the sizes of the driver's."""
    pending: pa.Table | None = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        joined = _joined(pending, table)
        if joined is None and pending is not None:
            yield _batch(pending)
        pending = table if joined is None else joined
        while pending.num_rows >= BATCH_ROWS or pending.nbytes >= BATCH_BYTES:
            yield _batch(pending.slice(0, BATCH_ROWS))
            pending = pending.slice(BATCH_ROWS)
            if pending.num_rows == 0:
                pending = None
                break
    if pending is not None:
        yield _batch(pending)


def _joined(first: pa.Table | None, second: pa.Table) -> pa.Table | None:
    """Concatenate two tables; None if their types differ, except for columns that are all NULL in one of them."""
    if first is None:
        return None
    try:
        return pa.concat_tables([first, second], promote_options="default")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None


def _batch(table: pa.Table) -> pa.RecordBatch:
    arrays = [pa.concat_arrays(chunked.chunks) for chunked in table.columns]
    return pa.RecordBatch.from_arrays(arrays, names=table.column_names)


def frame_of(batch: pa.RecordBatch) -> pd.DataFrame:
    """
    Convert a batch to a DataFrame with Arrow-backed types.

    Columns of mixed types become text, as do columns of unknown type with NULL only.
    """
    import pandas as pd

    arrays = [_workable(array) for array in batch.columns]
    table = pa.Table.from_arrays(arrays, names=batch.schema.names)
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def _workable(array: pa.Array) -> pa.Array:
    if array.type == MIXED:
        return pc.struct_field(array, "text")
    if pa.types.is_null(array.type):
        return array.cast(pa.string())
    if pa.types.is_decimal256(array.type):
        digits = next((digits for digits in _DIGITS if _needed_digits(array) <= digits), None)
        return array if digits is None else array.cast(pa.decimal128(digits, array.type.scale))
    return array


def _needed_digits(array: pa.Array) -> int:
    largest = pc.max(pc.abs(array)).as_py()
    before_the_point = max(int(largest.adjusted()) + 1, 1) if largest else 1
    return before_the_point + int(array.type.scale)


def batch_of(frame: pd.DataFrame, first_row: int) -> pa.RecordBatch:
    """
    Convert a DataFrame of any types to a batch.

    Values that pandas treats as missing in its own types, including NaN, become NULL.

    :param frame: the rows; its index is ignored
    :param first_row: the number of the first row, for errors
    :raises ConfigurationError: for a value that has no text, with its row and column, never the value
    """
    import pandas as pd

    arrays = []
    for position, header in enumerate(frame.columns):
        series = frame.iloc[:, position]
        if isinstance(series.dtype, pd.ArrowDtype):
            arrays.append(pa.chunked_array(pa.array(series)).combine_chunks())
        else:
            pairs = zip(series.array, series.isna(), strict=True)
            values = [None if missing else _plain(value) for value, missing in pairs]
            arrays.append(column(values, name=header, first_row=first_row))
    return pa.RecordBatch.from_arrays(arrays, names=list(frame.columns))


def _plain(value: Any) -> Any:
    """Convert a numpy scalar to a Python or pandas value."""
    import numpy as np
    import pandas as pd

    match value:
        case np.datetime64():
            return pd.Timestamp(value)
        case np.timedelta64():
            return pd.Timedelta(value)
        case np.floating() if not isinstance(value, float):
            return float(str(value))  # by its shortest text; a direct conversion would add digits
        case np.generic():
            return value.item()
    return value
