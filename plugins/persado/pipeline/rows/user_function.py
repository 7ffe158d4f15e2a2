"""Apply a user's Python function to the rows, for transformations that SQL cannot express."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from persado.errors import ConfigurationError
from persado.pipeline.rows.frames import batch_of, frame_of, regrouped
from persado.pipeline.rows.rows import Rows, list_names
from persado.settings.checks.transform_file import find_module, missing_module

if TYPE_CHECKING:
    import pandas as pd


def load_transform(specification: str, folder: Path) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """
    Import the function.

    :param specification: ``module:function``
    :param folder: the folder to search for the module: the parent of the configuration folder, usually ``include``;
        ``$AIRFLOW_HOME/include`` is searched next
    :raises ConfigurationError: if the module or function does not exist, or the module cannot be imported
    """
    module_name, _, function_name = specification.partition(":")
    found = find_module(module_name, folder)
    if found is None:
        raise ConfigurationError(f"transform {specification}: {missing_module(module_name, folder)}")
    path, base = found
    if str(base) not in sys.path:
        sys.path.append(str(base))  # for modules next to it; last, so that it hides no other module
    spec = importlib.util.spec_from_file_location(f"persado_transform.{module_name}", path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # a .py file always has a spec
    problem = None
    sys.modules[module.__name__] = module  # dataclasses and pickle need it there
    try:
        spec.loader.exec_module(module)  # type: ignore[union-attr]  # see above
    except (Exception, SystemExit) as error:
        problem = f"transform {specification}: {path} cannot be imported: {type(error).__name__}: {error}"
    if problem is None and not callable(getattr(module, function_name, None)):
        problem = f"transform {specification}: {path} has no function {function_name!r}"
    if problem is not None:
        del sys.modules[module.__name__]
        raise ConfigurationError(problem)
    function: Callable[[pd.DataFrame], pd.DataFrame] = getattr(module, function_name)
    return function


def transformed(rows: Rows, function: Callable[[pd.DataFrame], pd.DataFrame], name: str) -> Rows:
    """
    Apply a function to every batch.

    The first batch is read immediately, because only the function's result shows the columns.

    :param rows: the query's result; if it has no rows, the function gets one empty frame
    :param function: takes and returns a DataFrame; the one it gets has Arrow-backed types
    :param name: the name of the function in errors
    :raises ConfigurationError: if the function fails or returns something else; the message never contains a value
    """
    batches = _apply_to_all(rows, function, name)
    first = next(batches)
    return replace(
        rows,
        columns=tuple(first.schema.names),
        batches=itertools.chain([first], batches),
        producer=f"transform {name}",
        showable=rows.columns,
    )


def _apply_to_all(rows: Rows, function: Any, name: str) -> Iterator[pa.RecordBatch]:
    batches = regrouped(rows.batches)
    headers: list[str] | None = None
    read = produced = 0
    for number, batch in enumerate(itertools.chain([next(batches, None)], batches), 1):
        where = f"transform {name}, batch {number} (from row {read + 1})"
        if batch is None:
            frame = _call_without_rows(function, rows.columns, where)
        else:
            frame = _call(function, frame_of(batch), where)
            read += batch.num_rows
        if problem := _frame_problem(frame, headers, rows.columns):
            raise ConfigurationError(f"{where}: {problem}")
        headers = headers or list(frame.columns)
        yield batch_of(frame, produced + 1)
        produced += len(frame)


def _call_without_rows(function: Any, columns: Sequence[str], where: str) -> Any:
    """Call it with an empty frame. The column types are unknown, so try text columns first, then numbers."""
    texts, numbers = (
        frame_of(pa.RecordBatch.from_arrays([pa.nulls(0, type_)] * len(columns), names=list(columns)))
        for type_ in (pa.string(), pa.float64())
    )
    with suppress(ConfigurationError):
        return _call(function, texts, where)
    return _call(function, numbers, where)


def _call(function: Any, frame: pd.DataFrame, where: str) -> Any:
    problem = ""
    try:
        return function(frame)
    except (Exception, SystemExit) as error:
        # The text of the error may quote a value; the line number in the user's code does not.
        frames = traceback.extract_tb(error.__traceback__)[1:]
        own = [frame for frame in frames if "site-packages" not in Path(frame.filename).parts]
        place = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else " when it was called with a DataFrame"
        problem = f"it raised {type(error).__name__}{place}"
    raise ConfigurationError(f"{where}: {problem}")  # outside of except: the context could contain a value


def _frame_problem(frame: Any, headers: Sequence[str] | None, showable: Sequence[str]) -> str | None:
    """Return what is wrong with a function's result, if anything."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        return f"expected a DataFrame with text as column names, got {type(frame).__name__}"
    columns = list(frame.columns)
    if others := {type(header).__name__ for header in columns if not isinstance(header, str)}:
        return f"expected a DataFrame with text as column names, got names of type {', '.join(sorted(others))}"
    if not columns:
        return "expected a DataFrame with columns, got one without columns"
    if duplicates := {header for header in columns if columns.count(header) > 1}:
        return f"expected a DataFrame with unique column names, got several named {list_names(duplicates, showable)}"
    if headers is None or columns == headers:
        return None
    missing, new = set(headers) - set(columns), set(columns) - set(headers)
    if not missing and not new:
        return "expected the columns of the first batch, got them in a different order"
    named = f"missing: {list_names(missing, showable)}; new: {list_names(new, showable)}"
    return f"expected the columns of the first batch; {named}"
