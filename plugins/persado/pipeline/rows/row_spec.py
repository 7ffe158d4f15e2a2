"""Turn the query's rows into the rows to send: transform them, choose the columns, check the contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from persado.pipeline.rows.contract import ContractCheck
from persado.pipeline.rows.projection import selector
from persado.pipeline.rows.rows import Rows
from persado.pipeline.rows.user_function import load_transform, transformed
from persado.settings.models.columns import Column
from persado.settings.models.contract import Contract


@dataclass(frozen=True)
class RowSpec:
    """
    The row settings of a data template.

    :param columns: which columns are sent and under which header; None sends every column unchanged
    :param transform: a Python function, ``module:function``, that is applied to each batch first
    :param transform_folder: the folder of the function's module
    :param contract: the receiver's requirements
    """

    columns: tuple[Column, ...] | None = None
    transform: str | None = None
    transform_folder: Path = Path("include")
    contract: Contract | None = None

    def check(self) -> None:
        """
        Check what can be checked before the query runs.

        :raises ConfigurationError: if the function cannot be imported
        """
        if self.transform:
            load_transform(self.transform, self.transform_folder)


def apply_row_spec(rows: Rows, row_spec: RowSpec) -> tuple[tuple[str, ...], Iterator[pa.RecordBatch]]:
    """
    Return the headers and the rows to send.

    :raises ConfigurationError: for a column that does not exist, or a function that fails
    :raises RejectedError: after all rows are read, if they break the contract
    """
    if row_spec.transform:
        function = load_transform(row_spec.transform, row_spec.transform_folder)
        rows = transformed(rows, function, row_spec.transform)
    headers, select = selector(rows.columns, row_spec.columns, producer=rows.producer, shown=rows.shown_columns())
    batches = map(select, rows.batches)
    if row_spec.contract is None:
        return headers, batches
    shown = rows.shown_columns() if row_spec.columns is None else ", ".join(headers)
    return headers, _checked(batches, ContractCheck(row_spec.contract, headers, shown))


def _checked(batches: Iterator[pa.RecordBatch], check: ContractCheck) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        check.check(batch)
        yield batch
    check.finish()
