"""Check the rows against the receiver's contract, batch by batch, before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from persado.errors import RejectedError
from persado.pipeline.format.columns import cells
from persado.settings.models.contract import Contract, ContractColumn

SHOWN_ROWS = 5

# The pattern that the text of a value must match, and its description in errors.
_PATTERNS = {
    "md5_hex": (r"\A[0-9a-f]{32}\z", "32 lower-case hex digits"),
    "unix_seconds": (r"\A[0-9]{1,11}\z", "whole Unix seconds"),
    "integer": (r"\A-?[0-9]+\z", "a whole number"),
    "date": (r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\z", "a date as YYYY-MM-DD"),
}


class ContractCheck:
    """
    Count the violations of a contract.

    :param contract: the receiver's requirements
    :param headers: the columns that will be sent
    :param shown: the list of columns to show in errors, if some of them must not be shown
    :raises RejectedError: if a required column is missing
    """

    def __init__(self, contract: Contract, headers: Sequence[str], shown: str | None = None) -> None:
        missing = [column.name for column in contract.columns if column.required and column.name not in headers]
        if missing:
            raise RejectedError(
                f"the contract requires the column(s) {', '.join(missing)}; the file would have "
                f"{shown or ', '.join(headers)}. Nothing was sent. Add them to the query or to the data template's "
                "columns"
            )
        self._columns = [(column, headers.index(column.name)) for column in contract.columns if column.name in headers]
        self._breaches: Counter[tuple[str, str]] = Counter()
        self._rows: dict[tuple[str, str], list[int]] = {}
        self._seen = 0

    def check(self, batch: pa.RecordBatch) -> None:
        """Check the next rows."""
        for column, position in self._columns:
            text = cells(batch.column(position), name=column.name, first_row=self._seen + 1, nan_text="NaN").text
            for expected, broken in _violations(column, text):
                found = pc.indices_nonzero(broken)
                if len(found):
                    breach = (column.name, expected)
                    self._breaches[breach] += len(found)
                    rows = self._rows.setdefault(breach, [])
                    rows += [self._seen + 1 + index for index in found[: SHOWN_ROWS - len(rows)].to_pylist()]
        self._seen += batch.num_rows

    def rules(self) -> list[tuple[str, str, int]]:
        """
        Return the rules for values, for a database that checks them itself; see :meth:`record`.

        :return: for each rule what is expected, the pattern that the text of a value must match (empty if any value
            will do), and the position of the column among the headers
        """
        # The database replaces a broken value with a mark, which no pattern matches: require values last.
        rules = [
            (_PATTERNS[column.type][1], _PATTERNS[column.type][0], position)
            for column, position in self._columns
            if column.type in _PATTERNS
        ]
        rules += [("a value", "", position) for column, position in self._columns if not column.nullable]
        return rules

    def record(self, name: str, expected: str, row: int) -> None:
        """Record a value that is not as expected."""
        breach = (name, expected)
        self._breaches[breach] += 1
        rows = self._rows.setdefault(breach, [])
        if len(rows) < SHOWN_ROWS:
            rows.append(row)

    def finish(self) -> None:
        """
        Complete the check.

        :raises RejectedError: for violations, with their counts and the first row numbers, never a value
        """
        if self._breaches:
            found = "; ".join(
                f"column {name!r}: expected {expected}, {count} row(s) differ, such as "
                f"{', '.join(map(str, self._rows[name, expected]))}"
                for (name, expected), count in self._breaches.items()
            )
            raise RejectedError(f"the contract is broken, nothing was sent: {found}")


def _violations(column: ContractColumn, text: pa.Array) -> list[tuple[str, pa.Array]]:
    empty = pc.or_(text.is_null(), pc.fill_null(pc.equal(text, ""), fill_value=True))
    found = []
    if not column.nullable:
        found.append(("a value", empty))
    if column.type in _PATTERNS:
        pattern, expected = _PATTERNS[column.type]
        matches = pc.fill_null(pc.match_substring_regex(text, pattern), fill_value=False)
        found.append((expected, pc.and_(pc.invert(empty), pc.invert(matches))))
    return found
