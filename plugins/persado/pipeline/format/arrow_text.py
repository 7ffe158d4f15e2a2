"""
Convert Arrow arrays of any type to text, with the same result as :func:`persado.pipeline.format.text.text`.

Nested values become JSON, member by member, so a number in an array has the same text as a number in a column.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, repeat

import pyarrow as pa
import pyarrow.compute as pc

from persado.pipeline.format.arrow_kernels import INTERVAL, NoTextAtError, Rule, rule_for
from persado.pipeline.format.text import NO_NAN, json_string

# Columns that no single Arrow type can hold exactly (SQLite's columns of mixed types, decimals of several scales,
# integers beyond 64 bits) are stored as text, with a flag for each value that is a number.
MIXED = pa.struct([("text", pa.string()), ("number", pa.bool_())])


def text_of(column: pa.Array, nan_text: str | None) -> tuple[pa.Array, bool | pa.Array]:
    """
    Return the text of each value.

    :param nan_text: the text of NaN and the infinities; None refuses them
    :return: the texts, null for NULL; and whether they are numbers: one flag, or one for each value
    :raises NoTextAtError: for a value that has no text
    """
    if isinstance(column.type, pa.OpaqueType):
        return _opaque(column, nan_text)
    if isinstance(column.type, pa.Bool8Type):
        column = column.cast(pa.bool_())
    elif isinstance(column.type, pa.BaseExtensionType) and not isinstance(column.type, pa.UuidType):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type == MIXED:
        return tuple(column.flatten())
    type_ = column.type
    number = pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
    rule = next((rule for applies, rule in _NESTED if applies(type_)), None) or rule_for(type_)
    return rule(column, nan_text), number


def _opaque(column: pa.Array, nan_text: str | None) -> tuple[pa.Array, bool]:
    """Return the text of a database type that Arrow lacks. ADBC returns PostgreSQL's numeric this way, as text."""
    type_, found = column.type, column.storage
    if not pa.types.is_string(type_.storage_type):
        raise NoTextAtError(
            0, f"a value of type {type_.type_name} has no text form; cast the column to text in the query"
        )
    if type_.type_name != "numeric":
        return found, False
    finite = pc.match_substring_regex(found, r"^-?[0-9.]+$")
    if pc.all(finite).as_py() is False:
        if nan_text is None:
            raise NoTextAtError(pc.index(finite, value=False).as_py(), NO_NAN)
        found = pc.if_else(finite, found, nan_text)
    return found, True


def _list(column: pa.Array, nan_text: str | None) -> pa.Array:
    lengths = pc.list_value_length(column)
    offsets = [0, *accumulate(lengths.fill_null(0).to_pylist())]
    members = _members(column.flatten(), nan_text, offsets)
    return _texts(
        None if length is None else f"[{','.join(members[start : start + length])}]"
        for start, length in zip(offsets, lengths.to_pylist(), strict=False)
    )


def _map(column: pa.Array, nan_text: str | None) -> pa.Array:
    column = column.take(pa.array(range(len(column)), pa.int64()))  # a slice still has all entries of the original
    offsets = column.offsets.to_pylist()
    keys = map(json_string, text_of(column.keys, nan_text)[0].to_pylist())
    entries = [f"{key}:{item}" for key, item in zip(keys, _members(column.items, nan_text, offsets), strict=True)]
    return _texts(
        f"{{{','.join(entries[start:end])}}}" if valid else None
        for start, end, valid in zip(offsets, offsets[1:], column.is_valid().to_pylist(), strict=False)
    )


def _struct(column: pa.Array, nan_text: str | None) -> pa.Array:
    keys = [json_string(field.name) for field in column.type]
    fields = [_members(field, nan_text) for field in column.flatten()]
    rows = zip(*fields, strict=True) if fields else [()] * len(column)
    return _texts(
        f"{{{','.join(f'{key}:{value}' for key, value in zip(keys, row, strict=True))}}}" if valid else None
        for row, valid in zip(rows, column.is_valid().to_pylist(), strict=True)
    )


def _union(column: pa.Array, nan_text: str | None) -> pa.Array:
    members = [text_of(column.field(index), nan_text)[0] for index in range(column.type.num_fields)]
    return pc.choose(column.type_codes.cast(pa.int64()), *members)


def _texts(found: Iterable[str | None]) -> pa.Array:
    return pa.array(found, pa.string())


def _members(column: pa.Array, nan_text: str | None, offsets: Sequence[int] | None = None) -> list[str]:
    """Return the JSON of the members of nested values. An error's index is that of the value in ``offsets``."""
    if pa.types.is_union(column.type):
        choices = [_members(column.field(index), nan_text, offsets) for index in range(column.type.num_fields)]
        return [choices[code][index] for index, code in enumerate(column.type_codes.to_pylist())]
    problem = None
    try:
        found, number = text_of(column, nan_text)
    except NoTextAtError as error:
        index = error.index if offsets is None else bisect_right(offsets, error.index) - 1
        problem = NoTextAtError(index, str(error))
    if problem:
        raise problem
    if pa.types.is_floating(column.type):
        number = pc.is_finite(column)  # the text for NaN is not a JSON number
    elif _is_json(column.type):
        number = True
    flags = repeat(number) if isinstance(number, bool) else number.to_pylist()
    return [
        "null" if value is None else value if flag else json_string(value)
        for value, flag in zip(found.to_pylist(), flags, strict=False)
    ]


def _is_json(type_: pa.DataType) -> bool:
    return isinstance(type_, pa.JsonType) or (
        (pa.types.is_nested(type_) or pa.types.is_boolean(type_)) and type_ not in (MIXED, INTERVAL)
    )


_NESTED: tuple[tuple[Callable[[pa.DataType], bool], Rule], ...] = (
    (pa.types.is_map, _map),
    (pa.types.is_list, _list),
    (pa.types.is_large_list, _list),
    (pa.types.is_fixed_size_list, _list),
    (lambda type_: pa.types.is_struct(type_) and type_ != INTERVAL, _struct),
    (lambda type_: pa.types.is_union(type_) and type_.mode == "sparse", _union),
)
