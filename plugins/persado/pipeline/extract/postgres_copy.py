"""
Let PostgreSQL format the rows: COPY writes the text, and no Python object is made of a value.

Where a setting or a type has no exact counterpart there, the rows take the way through Arrow instead.
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
from persado.pipeline.extract.postgres_text import RARE, Expression, Marks, expressions, literal, relieved
from persado.pipeline.extract.query_errors import translating
from persado.pipeline.extract.text_writer import Honoured, Text, any_value, one_of
from persado.pipeline.format.delimited import header
from persado.pipeline.format.requote import Requoting, is_findable, is_null_distinct
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
    "allow_unescaped": any_value,  # means something in quote mode none only
    "header": any_value,
    "null_text": any_value,  # as long as is_null_distinct
    "nan_text": any_value,
    "row_number": any_value,
    "split": lambda split: split is None or split.rows is not None,
}

_CACHED = 1 << 17  # about how many bytes are requoted at once
_AT_ONCE = 64  # after how many rows their size is checked
_LARGE = _CACHED // _AT_ONCE  # unless one of them is larger than this

_NO_CONTRACT = Contract.model_construct(columns=())


@contextmanager
def copied(connection: Any, sql: str, row_spec: RowSpec, settings: Settings) -> Iterator[Text | None]:
    """
    Run a query.

    :param connection: an open psycopg connection
    :param sql: one statement that gives rows
    :param row_spec: what the data template says about rows
    :param settings: how they are written; :data:`HONOURED`
    :return: None where COPY cannot give exactly the text that the settings ask for
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
        with connection.transaction(), _cancelling(connection), connection.cursor().copy(plan.copy()) as copy:
            yield plan.headers, _blocks(copy, plan, settings)
            if connection.pgconn.transaction_status == TransactionStatus.ACTIVE:
                raise Rollback  # nobody wants the rest


@dataclass(frozen=True)
class _Plan:
    """What is asked of the server, and what its answer means."""

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
    if found is None or len(set(names)) < len(names):  # the way through Arrow says what is wrong
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
    sent = list(sent) if row_spec.contract else relieved(sent)
    for number, (_, pattern, position) in enumerate(check.rules()):
        if not sent[position].casts:
            return None
        sent[position] = marks.judged(sent[position], number, pattern)
    if settings.row_number:
        sent = [Expression("row_number() OVER ()", number=True), *sent]
    if settings.quote_mode == "all":
        null = literal(settings.null_text)
        sent = [Expression(f"CASE WHEN {e.sql} IS NULL THEN {null} ELSE concat({e.sql}) END") for e in sent]
    select = ", ".join(f"{e.sql} AS s{number}" for number, e in enumerate(sent))
    given = ", ".join(f"c{number}" for number in range(len(names)))
    # OFFSET 0 lets the server compute each column once, however often its expression names it. A query may end with
    # a semicolon, or with a comment that takes its whole line.
    query = sql.rstrip().rstrip(";")
    return _Plan(
        headers,
        names,
        f"SELECT {select} FROM (SELECT * FROM (\n{query}\n) AS query ({given}) OFFSET 0) AS query",  # noqa: S608 - the query is what is asked for
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
    """Try a statement without rows: other servers that speak PostgreSQL's language may lack something."""
    from psycopg import Error

    try:
        with connection.transaction(), connection.cursor().copy(statement) as copy:
            return not copy.read()
    except Error:
        return False


def _blocks(copy: psycopg.Copy, plan: _Plan, settings: Settings) -> Iterator[Block]:
    head = header(plan.headers, settings)
    requoting = Requoting(settings)
    rows_a_part = left = settings.split.rows if settings.split else None
    part, seen, announced = 1, 0, None
    yield part, 0, head
    while announced is None:
        text, rows, announced = translating(partial(_received, copy, left or rows_a_part), "run")
        if not rows:
            continue
        if left == 0:
            part, left = part + 1, rows_a_part
            yield part, 0, head
        text = plan.marks.resolved(text, plan.names, seen + 1, plan.broken)
        yield part, rows, requoting.requoted(requoting.fields(text), rows)
        seen += rows
        left = None if left is None else left - rows
    if seen != announced:
        raise TransientError(f"PostgreSQL announced {announced} rows and sent {seen}; run the delivery again")
    plan.check.finish()


def _received(copy: psycopg.Copy, most: int | None) -> tuple[bytes, int, int | None]:
    """
    Receive the next rows: the server sends each in a message of its own.

    psycopg's own loop costs more for a row than PostgreSQL needs to make it, and messages that are kept keep Python's
    garbage collector busy.

    :param most: so many rows at most
    :return: the text, its rows, and at the end how many there were in all
    """
    connection = copy.connection.pgconn
    messages = map(connection.get_copy_data, repeat(1))
    text, rows = io.BytesIO(), 0
    while True:
        taken = _AT_ONCE if most is None else min(_AT_ONCE, most - rows)
        for before, (length, line) in enumerate(islice(messages, taken)):
            if length <= 0:
                taken = before
                break
            text.write(line)
            if length > _LARGE:
                taken = before + 1
                break
        rows += taken
        if length < 0:
            return text.getvalue(), rows, _end(connection)
        if text.tell() >= _CACHED or rows == most:
            return text.getvalue(), rows, None
        if not length:
            _wait(connection)


def _wait(connection: Any) -> None:
    """Wait for what the server sends next."""
    poll = select.poll()
    poll.register(connection.socket, select.POLLIN)
    poll.poll()
    connection.consume_input()


@contextmanager
def _cancelling(connection: Any) -> Iterator[None]:
    """End the query on the server, too, where a signal ends the wait for its first rows."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception):
            connection.cancel()
        raise


def _end(connection: Any) -> int:
    """Take the result of the whole, whatever it is, so that the connection can be used again."""
    from psycopg.errors import error_from_result
    from psycopg.pq import ExecStatus

    result, *_ = iter(connection.get_result, None)
    if result.status != ExecStatus.COMMAND_OK:
        raise error_from_result(result)
    return int(result.command_tuples)
