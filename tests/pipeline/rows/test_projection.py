"""Which columns are sent, in which order, under which header."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from support.files.tabular import settings

from persado.errors import ConfigurationError
from persado.pipeline.format.split import parts
from persado.pipeline.rows.projection import selector
from persado.settings.models.columns import Column

BATCH = pa.RecordBatch.from_pydict({"Id": ["007", "008"], "city": ["Oslo", None], "CITY_code": [1, 2]})


def sent(*columns: dict[str, Any], **given_settings: Any) -> bytes:
    """Give the file that a data template with these columns makes."""
    headers, select = selector(BATCH.schema.names, [Column.model_validate(column) for column in columns])
    return b"".join(text for _, _, text in parts([select(BATCH)], headers, settings(**given_settings)))


def test_without_a_choice_every_column_goes_as_it_comes() -> None:
    headers, select = selector(BATCH.schema.names, None)
    assert headers == ("Id", "city", "CITY_code")
    assert select(BATCH) is BATCH


def test_choice_order_new_names_and_the_same_column_twice() -> None:
    columns = [{"name": "city"}, {"name": "id", "from": "Id"}, {"name": "town", "from": "city"}]
    assert sent(*columns) == b"city,id,town\nOslo,007,Oslo\n,008,\n"


def test_constants() -> None:
    columns = [{"name": name, "value": value} for name, value in {"a": "US", "b": 7, "c": True, "d": None}.items()]
    assert sent(*columns, quote_mode="all_non_numeric") == b'"a","b","c","d"\n' + b'"US",7,"true",\n' * 2


def test_a_name_may_differ_in_case_but_the_exact_one_wins() -> None:
    assert sent({"name": "ID"}) == b"ID\n007\n008\n"
    headers, select = selector(["a", "A"], [Column(name="A"), Column(name="a")])
    assert headers == ("A", "a")
    assert select(pa.RecordBatch.from_pydict({"a": [1], "A": [2]})).to_pylist() == [{"A": 2, "a": 1}]


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="wants the column 'cty', which the query does not give") as caught:
        sent({"name": "cty"})
    assert "city" in str(caught.value)
    assert str(caught.value).endswith("The query's columns: Id, city, CITY_code. Did you mean 'city'?")


def test_a_name_that_could_be_two_columns_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'Ab', which the query does not give"):
        selector(["ab", "AB"], [Column(name="Ab")])


def test_no_rows() -> None:
    headers, select = selector(["a"], [Column(name="a"), Column(name="b", value=1)])
    empty = select(pa.RecordBatch.from_pydict({"a": pa.array([], pa.int64())}))
    assert headers == ("a", "b")
    assert empty.num_rows == 0
