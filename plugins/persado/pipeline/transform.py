"""A user's own Python function over the rows: the place for what SQL cannot say."""

from __future__ import annotations

import importlib.util
import itertools
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from persado.errors import ConfigurationError
from persado.pipeline.columns import MIXED, column
from persado.pipeline.extract import Rows

if TYPE_CHECKING:
    import pandas as pd


def load_transform(specification: str, folder: Path) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """
    Import the function.

    :param specification: ``module:function``
    :param folder: where the module is: the folder that holds the configuration's, ``include`` as a rule; else
        ``$AIRFLOW_HOME/include`` is looked into
    :raises ConfigurationError: if there is no such module or function, or the module cannot be imported
    """
    module_name, _, function_name = specification.partition(":")
    path = _file(specification, module_name, folder)
    spec = importlib.util.spec_from_file_location(f"persado_transform.{module_name}", path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # a .py file always has one
    problem = None
    sys.modules[module.__name__] = module  # dataclasses and pickle look there
    try:
        spec.loader.exec_module(module)  # type: ignore[union-attr]  # see above
    except Exception as error:
        problem = f"transform {specification}: {path} cannot be imported: {type(error).__name__}: {error}"
    if problem is None and not callable(getattr(module, function_name, None)):
        problem = f"transform {specification}: {path} has no function {function_name!r}"
    if problem is not None:
        del sys.modules[module.__name__]
        raise ConfigurationError(problem)
    found: Callable[[pd.DataFrame], pd.DataFrame] = getattr(module, function_name)
    return found


def _file(specification: str, module_name: str, folder: Path) -> Path:
    """Find the module's file, and let it import its neighbours."""
    folders = [folder, Path(os.environ.get("AIRFLOW_HOME") or ".") / "include"]
    for base in folders:
        path = base.joinpath(*module_name.split(".")).with_suffix(".py")
        if path.is_file():
            if str(base) not in sys.path:
                sys.path.append(str(base))  # last, so that it hides nothing
            return path
    places = " or ".join(dict.fromkeys(map(str, folders)))
    raise ConfigurationError(
        f"transform {specification}: there is no file {module_name.replace('.', '/')}.py in {places}"
    )


def transformed(rows: Rows, function: Callable[[pd.DataFrame], pd.DataFrame], name: str) -> Rows:
    """
    Apply a function to every batch.

    The first batch is read at once, because only the function knows its columns.

    :param rows: the query's result; without rows, the function gets one empty frame
    :param function: gets a DataFrame with Arrow-backed types, gives one
    :param name: how the function is called in errors
    :raises ConfigurationError: if the function fails, or gives something else; never with a value in it
    """
    batches = _apply_to_all(rows, function, name)
    first = next(batches)
    return Rows(tuple(first.schema.names), itertools.chain([first], batches), rows.path)


def _apply_to_all(rows: Rows, function: Any, name: str) -> Iterator[pa.RecordBatch]:
    empty = pa.RecordBatch.from_pylist([], schema=pa.schema([(header, pa.string()) for header in rows.columns]))
    headers: list[str] | None = None
    first_row = 1
    # A query's result never holds an empty batch, so that the function sees the stand-in only where there are no rows.
    for number, batch in enumerate(itertools.chain([next(rows.batches, empty)], rows.batches), 1):
        result = _apply(function, name, number, batch, first_row)
        headers = headers or result.schema.names
        if result.schema.names != headers:
            raise ConfigurationError(
                f"transform {name}, batch {number}: expected the columns of the first batch, {', '.join(headers)}, got "
                f"{', '.join(result.schema.names)}"
            )
        first_row += result.num_rows
        yield result


def _apply(function: Any, name: str, number: int, batch: pa.RecordBatch, first_row: int) -> pa.RecordBatch:
    import pandas as pd

    arrays = [pc.struct_field(array, "text") if array.type == MIXED else array for array in batch.columns]
    frame = pa.Table.from_arrays(arrays, names=batch.schema.names).to_pandas(types_mapper=pd.ArrowDtype)
    try:
        result = function(frame)
    except Exception as error:
        # The text of the error may quote a value; the function's own line does not.
        frames = traceback.extract_tb(error.__traceback__)
        code = getattr(function, "__code__", None)
        own = [frame for frame in frames if code and frame.filename == code.co_filename] or frames
        problem = f"it raised {type(error).__name__} at {Path(own[-1].filename).name}:{own[-1].lineno}"
    else:
        if isinstance(result, pd.DataFrame) and all(isinstance(header, str) for header in result.columns):
            return _batch(result, first_row)
        problem = f"expected a DataFrame with text as column names, got {type(result).__name__}"
    raise ConfigurationError(f"transform {name}, batch {number} (from row {first_row}): {problem}")


def _batch(frame: pd.DataFrame, first_row: int) -> pa.RecordBatch:
    import pandas as pd

    arrays = []
    for position, header in enumerate(frame.columns):
        series = frame.iloc[:, position]
        if isinstance(series.dtype, pd.ArrowDtype):
            arrays.append(pa.chunked_array(pa.array(series)).combine_chunks())
        else:
            # What pandas takes for missing in its own types, NaN too, is NULL.
            values = series.astype(object).where(series.notna(), None)
            arrays.append(
                column([getattr(v, "item", lambda v=v: v)() for v in values], name=header, first_row=first_row)
            )
    return pa.RecordBatch.from_arrays(arrays, names=list(frame.columns))
