"""
Read DuckDB through its Arrow stream.

Some types are not exported exactly (in DuckDB 2.0, 128-bit integers overflow, a time loses its zone, and intervals
are limited to 292 years). An SQL expression converts those to types that Arrow holds exactly, at any depth inside lists
and structs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa

from persado.errors import ConfigurationError
from persado.pipeline.extract.query_errors import translating
from persado.pipeline.rows.rows import BATCH_ROWS, ONE_SELECT, Result

# @ stands for the value. Numbers become columns.MIXED; so do JSON documents inside other values, because they must not
# become JSON strings either. The fields of an interval are those of arrow_kernels.INTERVAL.
_NUMBER = "CASE WHEN @ IS NOT NULL THEN {'text': CAST(@ AS VARCHAR), 'number': true} END"
_JSON = "CASE WHEN @ IS NOT NULL THEN {'text': CAST(CAST(@ AS JSON) AS VARCHAR), 'number': true} END"
_TEXT = "CAST(@ AS VARCHAR)"
_EXACT = {
    "uhugeint": _NUMBER,
    "bignum": _NUMBER,
    "bit": _TEXT,
    "geometry": _TEXT,
    "type": _TEXT,
    "variant": "CAST(CAST(@ AS JSON) AS VARCHAR)",
    "interval": (
        "CASE WHEN @ IS NOT NULL THEN {'months': 12 * extract(year FROM @) + extract(month FROM @), "
        "'days': extract(day FROM @), 'microseconds': 3600000000 * extract(hour FROM @) "
        "+ 60000000 * extract(minute FROM @) + extract(microsecond FROM @)} END"
    ),
    # 05:06:07.5+02 becomes 05:06:07.500000+02:00
    "time with time zone": (
        "regexp_replace(CASE WHEN contains(CAST(@ AS VARCHAR), '.') "
        r"THEN regexp_replace(regexp_replace(CAST(@ AS VARCHAR), '\.(\d*)', '.\1000000'), '(\.\d{6})\d*', '\1') "
        r"ELSE CAST(@ AS VARCHAR) END, '([+-]\d\d)$', '\1:00')"
    ),
}
_EXACT_INSIDE = _EXACT | {"variant": _JSON, "json": _JSON}

# These would change the Arrow types.
_ARROW_SETTINGS = (
    "arrow_large_buffer_size",
    "arrow_lossless_conversion",
    "arrow_output_list_view",
    "arrow_output_version",
)


@contextmanager
def read(connection: Any, sql: str, _nan_text: str | None) -> Iterator[Result]:
    """
    Run a query.

    :param connection: an open DuckDB connection
    :param sql: one statement that returns rows
    """
    relation = translating(lambda: _relation(connection, sql), "prepare")
    names = tuple(relation.columns)
    references = [f"#{position}" for position in range(1, len(names) + 1)]
    expressions = [
        _top_level(name, type_, f"({value})")
        for name, type_, value in zip(names, relation.types, references, strict=True)
    ]
    if any(expressions):
        exact = (expression or value for expression, value in zip(expressions, references, strict=True))
        relation = relation.project(", ".join(f"{value} AS c{number}" for number, value in enumerate(exact, 1)))
    with closing(_batches(relation, names)) as batches:
        yield names, batches


def _relation(connection: Any, sql: str) -> Any:
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or not _returns_rows(statements[0]):
        raise ConfigurationError(ONE_SELECT)
    # By default, DuckDB looks up an unknown table name among this program's Python variables.
    connection.execute("SET python_enable_replacements = false")
    for setting in _ARROW_SETTINGS:
        connection.execute(f"RESET {setting}")
    return connection.sql(sql)


def _returns_rows(statement: Any) -> bool:
    # PIVOT has the statement type MULTI.
    return statement.type.name == "MULTI" or [kind.name for kind in statement.expected_result_type] == ["QUERY_RESULT"]


def _batches(relation: Any, names: Sequence[str]) -> Generator[pa.RecordBatch]:
    with translating(lambda: relation.to_arrow_reader(BATCH_ROWS), "run") as reader:
        batch = translating(lambda: next(reader, None), "run")
        if batch is None:  # an empty result keeps its types
            batch = pa.RecordBatch.from_arrays([pa.nulls(0, type_) for type_ in reader.schema.types], names=list(names))
        while batch is not None:
            yield batch.rename_columns(list(names))
            batch = translating(lambda: next(reader, None), "run")


def _top_level(name: str, type_: Any, value: str) -> str | None:
    try:
        return _exact(type_, value)
    except ConfigurationError as error:
        raise ConfigurationError(f"column {name!r}: {error}") from None


def _exact(type_: Any, value: str, depth: int = 0) -> str | None:
    """Return an SQL expression that Arrow holds exactly, or None if it holds the value itself exactly."""
    kind = "json" if str(type_) == "JSON" else type_.id
    if kind in _NESTED:
        return _NESTED[kind](type_, value, depth + 1)
    template = (_EXACT_INSIDE if depth else _EXACT).get(kind)
    return template.replace("@", value) if template else None


def _list(type_: Any, value: str, depth: int) -> str | None:
    member = _exact(type_.children[0][1], f"x{depth}", depth)
    return member and f"list_transform({value}, lambda x{depth}: {member})"


def _struct(type_: Any, value: str, depth: int) -> str | None:
    found = [(name, f"struct_extract_at({value}, {at})", child) for at, (name, child) in enumerate(type_.children, 1)]
    members = [(name, member, _exact(child, member, depth)) for name, member, child in found]
    if not any(exact for _, _, exact in members):
        return None
    # The members of a tuple have no names; use Arrow's.
    fields = ", ".join(
        f"{_quoted(name or f'element{at}')} := {exact or member}" for at, (name, member, exact) in enumerate(members, 1)
    )
    return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({fields}) END"


def _map(type_: Any, value: str, depth: int) -> str | None:
    entry = f"x{depth}"
    (_, key_type), (_, item_type) = type_.children
    key, item = _exact(key_type, f"{entry}.key", depth), _exact(item_type, f"{entry}.value", depth)
    if not key and not item:
        return None
    if key:
        key = f"CAST({entry}.key AS VARCHAR)"  # a JSON key is always text
    pair = f"{{'key': {key or f'{entry}.key'}, 'value': {item or f'{entry}.value'}}}"
    return f"map_from_entries(list_transform(map_entries({value}), lambda {entry}: {pair}))"


def _union(type_: Any, value: str, depth: int) -> None:
    for _, child in type_.children:
        if _exact(child, value, depth):
            raise ConfigurationError(f"a value of type {type_} has no text form; cast the column to text in the query")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_NESTED: dict[str, Callable[[Any, str, int], str | None]] = {
    "list": _list,
    "array": _list,
    "struct": _struct,
    "tuple": _struct,
    "map": _map,
    "union": _union,
}
