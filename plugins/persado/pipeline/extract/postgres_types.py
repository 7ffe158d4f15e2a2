"""
How psycopg loads PostgreSQL's types, and how their values become text.

psycopg would turn a month into 30 days, reformat JSON and fail on dates that Python cannot represent. These types are
therefore loaded as the server's text.
"""

from __future__ import annotations

import datetime as dt
import decimal
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from psycopg.pq import Format
from psycopg.rows import tuple_row
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.multirange import MultirangeInfo
from psycopg.types.range import RangeInfo, register_range
from psycopg.types.string import TextLoader

from persado.errors import ConfigurationError
from persado.pipeline.extract.postgres_ranges import multirange_text, range_text
from persado.pipeline.format.columns import mixed
from persado.pipeline.format.text import ODD_YEAR, JSONText, NoTextError


@dataclass(frozen=True)
class Kind:
    """
    How a type's values become text.

    :param convert: converts a value from psycopg for :func:`persado.pipeline.format.text.text`
    :param convert_column: converts a whole column at once; raises ArrowInvalid if it cannot
    :param number: whether the values are numbers
    """

    convert: Callable[[Any], Any]
    convert_column: Callable[[pa.Array], pa.Array] | None = None
    number: bool = False


class PostgresTypes:
    """
    The types of a connection.

    :param connection: an open psycopg connection; its loaders are changed
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._kinds: dict[int, Kind | None] = {}
        self.registered = False
        for name in _KINDS:
            connection.adapters.register_loader(name, TextLoader)

    def kind(self, oid: int) -> Kind | None:
        """
        Return how a type's values become text.

        :param oid: the type's number in PostgreSQL's catalogue
        :return: None if psycopg's values need no conversion
        :raises ConfigurationError: if the type has no text form
        """
        if oid not in self._kinds:
            self._kinds[oid] = self._find(oid)
        return self._kinds[oid]

    def _find(self, oid: int) -> Kind | None:
        info = self._connection.adapters.types.get(oid)
        if info is None:
            return self._register(oid)
        if info.name == "record":
            raise _no_text(info.name)
        if oid != info.oid:
            return self._array_of(info.oid)
        if isinstance(info, RangeInfo | MultirangeInfo):
            one = range_text(self._convert(info.subtype_oid))
            return Kind(one if isinstance(info, RangeInfo) else multirange_text(one))
        if info.name == "money":
            return Kind(_money(self._one("SELECT scale(0::money::numeric)")[0]), number=True)
        return _KINDS.get(info.name)

    def _register(self, oid: int) -> Kind | None:
        """Find a user-defined type in the catalogue and register it with psycopg."""
        adapters = self._connection.adapters
        name, category, member, base, array, delimiter, names, oids, bound = self._one(_CATALOGUE, oid)
        if category == "M":
            raise _no_text(name)
        self.registered |= category in "ACDR"
        if category == "A":
            kind = self._array_of(member)
            TypeInfo(name, member, oid, delimiter=delimiter).register(self._connection)
            return kind
        if category == "D":
            adapters.register_loader(oid, adapters.get_loader(base, Format.TEXT) or TextLoader)
            return self.kind(base)
        if category == "C":
            kinds = [self.kind(field_oid) for field_oid in oids]
            composite = CompositeInfo(name, oid, array, field_names=names, field_types=oids)
            register_composite(composite, self._connection, factory=lambda *values: values)
            return Kind(_structure(names, kinds))
        if category == "R":
            register_range(RangeInfo(name, oid, array, subtype_oid=bound), self._connection)
            return Kind(range_text(self._convert(bound)))
        return None

    def _array_of(self, oid: int) -> Kind:
        return Kind(_members(self.kind(oid)))

    def _convert(self, oid: int) -> Callable[[Any], Any]:
        kind = self.kind(oid)
        return kind.convert if kind else lambda value: value

    def _one(self, query: str, *parameters: Any) -> Any:
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            return cursor.execute(query, parameters).fetchone()


# Categories: A array, C composite type, D domain, R range, M multirange; all others need no registration.
_CATALOGUE = """
SELECT typname, CASE typtype WHEN 'b' THEN typcategory::text ELSE upper(typtype::text) END,
  typelem, typbasetype, typarray, typdelim, names, oids, rngsubtype
FROM pg_type LEFT JOIN pg_range ON rngtypid = pg_type.oid, LATERAL (
  SELECT coalesce(array_agg(attname::text ORDER BY attnum), '{}'), coalesce(array_agg(atttypid ORDER BY attnum), '{}')
  FROM pg_attribute WHERE attrelid = typrelid AND attnum > 0 AND NOT attisdropped
) AS fields (names, oids)
WHERE pg_type.oid = %s
"""


def _no_text(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"a value of PostgreSQL's type {name} has no text form; cast the column to text in the query"
    )


def _members(kind: Kind | None) -> Callable[[Any], Any]:
    if kind is None:
        return lambda value: value

    def convert(value: Any) -> Any:
        return [None if v is None else convert(v) if isinstance(v, list) else kind.convert(v) for v in value]

    return convert


def _structure(names: list[str], kinds: list[Kind | None]) -> Callable[[Any], Any]:
    def convert(values: Any) -> Any:
        members = zip(names, values, kinds, strict=True)
        return {name: kind.convert(v) if kind and v is not None else v for name, v, kind in members}

    return convert


def _date(value: str) -> dt.date:
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise NoTextError(ODD_YEAR) from None


def _timestamp(value: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(value)
    except ValueError:
        raise NoTextError(ODD_YEAR) from None


def _time(value: str) -> dt.time | str:
    if value.startswith("24:"):  # the end of the day, valid in SQL but not in Python
        return re.sub(r"([+-]\d\d)\Z", r"\1:00", value)
    return dt.time.fromisoformat(value)


def _money(scale: int) -> Callable[[str], decimal.Decimal]:
    def convert(value: str) -> decimal.Decimal:
        # The server's locale decides the format and the number of decimal places.
        digits = re.sub(r"\D", "", value)
        return decimal.Decimal(("-" if "-" in value or "(" in value else "") + digits).scaleb(-scale)

    return convert


def _decimals(texts: pa.Array) -> pa.Array:
    if pc.any(pc.match_substring_regex(texts, "[^0-9.-]")).as_py():
        raise pa.ArrowInvalid("NaN or an infinity")
    scales = pc.min_max(pc.binary_length(pc.replace_substring_regex(texts, r"^[^.]*\.?", "")))
    # Arrow does not report more digits than it can hold.
    if scales["min"] != scales["max"] or pc.max(pc.binary_length(texts)).as_py() > _DECIMAL_DIGITS:
        return mixed(texts, number=True)
    return texts.cast(pa.decimal256(_DECIMAL_DIGITS, scales["max"].as_py()))


def _times(texts: pa.Array) -> pa.Array:
    # Arrow can parse timestamps, but not times.
    return pc.binary_join_element_wise("1970-01-01", texts, " ").cast(pa.timestamp("us")).cast(pa.time64("us"))


def _cast(type_: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    return lambda texts: texts.cast(type_)


_DECIMAL_DIGITS = 76
_TEXT = Kind(str, _cast(pa.string()))
_JSON = Kind(JSONText, _cast(pa.string()))
# psycopg loads these as the server's text.
_KINDS = {
    "numeric": Kind(decimal.Decimal, _decimals, number=True),
    "date": Kind(_date, _cast(pa.date32())),
    "timestamp": Kind(_timestamp, _cast(pa.timestamp("us"))),
    "timestamptz": Kind(_timestamp, _cast(pa.timestamp("us", "UTC"))),
    "time": Kind(_time, _times),
    "timetz": Kind(_time),
    "interval": _TEXT,
    "uuid": _TEXT,
    "inet": _TEXT,
    "cidr": _TEXT,
    "json": _JSON,
    "jsonb": _JSON,
}
