"""
Let PostgreSQL format the rows with COPY, without a Python object for each value.

If a setting or a type has no exact counterpart in PostgreSQL, the rows go through Arrow instead.
"""

from __future__ import annotations

import io
import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

from persado.errors import TransientError
from persado.pipeline.extract.postgres_cursor import described, prepared
from persado.pipeline.extract.postgres_text import RARE, Expression, Marks, expressions, literal, share_marks
from persado.pipeline.extract.query_errors import translating
from persado.pipeline.extract.text_writer import Honoured, Text, any_value, one_of
from persado.pipeline.format.delimited import header
from persado.pipeline.format.requote import Requoter, is_findable, is_null_distinct
from persado.pipeline.format.split import Block
from persado.pipeline.rows.contract import ContractCheck
from persado.pipeline.rows.projection import source_positions
from persado.pipeline.rows.row_spec import RowSpec
from persado.settings.models.contract import Contract
from persado.settings.models.effective import Settings

if TYPE_CHECKING:
    import psycopg


def _is_findable(character: str | None) -> bool:
    return is_findable(character) and character != RARE


HONOURED: Honoured = {
    "line_ending": one_of("LF", "CRLF"),
    "quote_mode": one_of("all", "all_non_null", "special_characters", "all_non_numeric"),
    "file_format": one_of("csv", "tsv", "psv", "custom"),
    "delimiter": _is_findable,
    "escape_character": _is_findable,
    "allow_unescaped": any_value,  # only used in quote mode none
    "header": any_value,
    "null_text": any_value,  # copy_text checks is_null_distinct
    "nan_text": any_value,
    "row_number": any_value,
    "split": lambda split: split is None or split.rows is not None,
}

_BLOCK_BYTES = 1 << 17  # the approximate size of a block; fits into the processor's cache
_ROWS_PER_CHECK = 64  # check the size of the block after this many rows
_LARGE_ROW = _BLOCK_BYTES // _ROWS_PER_CHECK  # or at once after a row larger than this

_NO_CONTRACT = Contract.model_construct(columns=())


@contextmanager
def copy_text(connection: Any, sql: str, row_spec: RowSpec, settings: Settings) -> Iterator[Text | None]:
    """
    Run a query and write its rows.

    :param connection: an open psycopg connection
    :param sql: one statement that returns rows
    :param row_spec: the row rules of the data template
    :param settings: how to write the rows; must satisfy :data:`HONOURED`
    :return: None if COPY cannot write exactly the text that the settings ask for
    """
    if row_spec.transform or not is_null_distinct(settings):
        yield None
        return
    from psycopg import Rollback
    from psycopg.pq import TransactionStatus

    with prepared(connection):
        plan = _plan(connection, sql, row_spec, settings)
        if plan is None or not _is_accepted(connection, plan.copy(" LIMIT 0")):
            yield None
            return
        with connection.transaction(), _cancel_on_signal(connection), connection.cursor().copy(plan.copy()) as copy:
            yield plan.headers, _blocks(copy, plan, settings)
            if connection.pgconn.transaction_status == TransactionStatus.ACTIVE:
                raise Rollback  # the reader stopped early


@dataclass(frozen=True)
class _Plan:
    """The COPY statement to run, and how to interpret its output."""

    headers: tuple[str, ...]
    names: tuple[str, ...]
    select: str
    options: str
    marks: Marks
    check: ContractCheck

    def broken(self, rule: int, row: int) -> None:
        expected, _, position = self.check.rules()[rule]
        self.check.record(self.headers[position], expected, row)

    def copy(self, limit: str = "") -> bytes:
        return f"COPY ({self.select}{limit}) TO STDOUT ({self.options})".encode()


def _plan(connection: Any, sql: str, row_spec: RowSpec, settings: Settings) -> _Plan | None:
    columns = row_spec.columns
    names, oids = zip(*described(connection, sql), strict=True)
    marks = Marks()
    found = expressions(connection, oids, marks, settings.nan_text)
    if found is None or len(set(names)) < len(names):  # the path through Arrow reports duplicate names
        return None
    if columns is None:
        headers, sent = names, found
    else:
        headers = tuple(column.name for column in columns)
        positions = source_positions(names, columns)
        sent = [
            _constant(column.value) if position is None else found[position]
            for column, position in zip(columns, positions, strict=True)
        ]
    check = ContractCheck(row_spec.contract or _NO_CONTRACT, headers)
    sent = list(sent) if row_spec.contract else share_marks(sent)
    for number, (_, pattern, position) in enumerate(check.rules()):
        if not sent[position].cast:
            return None
        sent[position] = marks.mark_broken(sent[position], number, pattern)
    if settings.row_number:
        sent = [Expression("row_number() OVER ()", number=True), *sent]
    if settings.quote_mode == "all":
        null = literal(settings.null_text)
        sent = [Expression(f"CASE WHEN {e.sql} IS NULL THEN {null} ELSE concat({e.sql}) END") for e in sent]
    select = ", ".join(f"{e.sql} AS s{number}" for number, e in enumerate(sent))
    columns_sql = ", ".join(f"c{number}" for number in range(len(names)))
    # OFFSET 0 makes the server compute each column once, even if its expression uses it several times. The query may
    # end with a semicolon, or with a line comment.
    query = sql.rstrip().rstrip(";")
    return _Plan(
        headers,
        names,
        f"SELECT {select} FROM (SELECT * FROM (\n{query}\n) AS query ({columns_sql}) OFFSET 0) AS query",  # noqa: S608 - the query is the user's own
        _options(sent, settings),
        marks,
        check,
    )


def _constant(value: str | int | bool | None) -> Expression:
    if value is None:
        return Expression("NULL::text")
    if isinstance(value, str):
        return Expression(f"{literal(value)}::text")
    return Expression(literal(str(value).lower()) + "::text", number=not isinstance(value, bool))


def _options(sent: Sequence[Expression], settings: Settings) -> str:
    options = [
        "FORMAT csv",
        f"DELIMITER {literal(settings.field_delimiter)}",
        f"NULL {literal(settings.null_text)}",
        "ENCODING 'UTF8'",
    ]
    if settings.quote_mode in {"all", "all_non_null"}:
        options.append("FORCE_QUOTE *")
    elif settings.quote_mode == "all_non_numeric":
        enclosed = [f"s{number}" for number, e in enumerate(sent) if not e.number]
        options += [f"FORCE_QUOTE ({', '.join(enclosed)})"] if enclosed else []
    return ", ".join(options)


def _is_accepted(connection: Any, statement: bytes) -> bool:
    """Try the statement without rows: servers that only speak PostgreSQL's protocol may not support all of it."""
    from psycopg import Error

    try:
        with connection.transaction(), connection.cursor().copy(statement) as copy:
            return not copy.read()
    except Error:
        return False


def _blocks(copy: psycopg.Copy, plan: _Plan, settings: Settings) -> Iterator[Block]:
    head = header(plan.headers, settings)
    requoter = Requoter(settings)
    rows_per_part = left = settings.split.rows if settings.split else None
    part, received, reported = 1, 0, None
    yield part, 0, head
    while reported is None:
        text, rows, reported = translating(partial(_receive, copy, left or rows_per_part), "run")
        if not rows:
            continue
        if left == 0:
            part, left = part + 1, rows_per_part
            yield part, 0, head
        text = plan.marks.resolve(text, plan.names, received + 1, plan.broken)
        yield part, rows, requoter.requote(requoter.fields(text), rows)
        received += rows
        left = None if left is None else left - rows
    if received != reported:
        raise TransientError(f"PostgreSQL reported {reported} rows but sent {received}; run the delivery again")
    plan.check.finish()


def _receive(copy: psycopg.Copy, max_rows: int | None) -> tuple[bytes, int, int | None]:
    """
    Receive the next rows; the server sends each in a separate message.

    psycopg's loop takes longer per row than PostgreSQL needs to produce it, and a list of messages would keep Python's
    garbage collector busy.

    :return: the text, the number of its rows and, at the end, the total that the server reports
    """
    connection = copy.connection.pgconn
    messages = map(connection.get_copy_data, repeat(1))
    text, rows = io.BytesIO(), 0
    while True:
        taken = _ROWS_PER_CHECK if max_rows is None else min(_ROWS_PER_CHECK, max_rows - rows)
        for before, (length, line) in enumerate(islice(messages, taken)):
            if length <= 0:
                taken = before
                break
            text.write(line)
            if length > _LARGE_ROW:
                taken = before + 1
                break
        rows += taken
        if length < 0:
            return text.getvalue(), rows, _end(connection)
        if text.tell() >= _BLOCK_BYTES or rows == max_rows:
            return text.getvalue(), rows, None
        if not length:
            _wait(connection)


def _wait(connection: Any) -> None:
    """Wait until the server sends more."""
    poll = select.poll()
    poll.register(connection.socket, select.POLLIN)
    poll.poll()
    connection.consume_input()


@contextmanager
def _cancel_on_signal(connection: Any) -> Iterator[None]:
    """Cancel the query on the server if a signal interrupts the wait for its first rows."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception):
            connection.cancel()
        raise


def _end(connection: Any) -> int:
    """Fetch the final result, so that the connection can be used again, and return its number of rows."""
    from psycopg.errors import error_from_result
    from psycopg.pq import ExecStatus

    result, *_ = iter(connection.get_result, None)
    if result.status != ExecStatus.COMMAND_OK:
        raise error_from_result(result)
    return int(result.command_tuples)
