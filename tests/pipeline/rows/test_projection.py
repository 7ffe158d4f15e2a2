"""Choosing which columns are sent, in which order and under which header."""

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
    """Return the file of a data template with these columns."""
    headers, select = selector(BATCH.schema.names, [Column.model_validate(column) for column in columns])
    return b"".join(text for _, _, text in parts([select(BATCH)], headers, settings(**given_settings)))


def test_without_a_choice_every_column_is_sent_unchanged() -> None:
    headers, select = selector(BATCH.schema.names, None)
    assert headers == ("Id", "city", "CITY_code")
    assert select(BATCH) is BATCH


def test_columns_are_chosen_ordered_renamed_and_repeated() -> None:
    columns = [{"name": "city"}, {"name": "id", "from": "Id"}, {"name": "town", "from": "city"}]
    assert sent(*columns) == b"city,id,town\nOslo,007,Oslo\n,008,\n"


def test_constants_fill_a_column() -> None:
    columns = [{"name": name, "value": value} for name, value in {"a": "US", "b": 7, "c": True, "d": None}.items()]
    assert sent(*columns, quote_mode="all_non_numeric") == b'"a","b","c","d"\n' + b'"US",7,"true",\n' * 2


def test_a_name_may_differ_in_case_but_an_exact_match_wins() -> None:
    assert sent({"name": "ID"}) == b"ID\n007\n008\n"
    headers, select = selector(["a", "A"], [Column(name="A"), Column(name="a")])
    assert headers == ("A", "a")
    assert select(pa.RecordBatch.from_pydict({"a": [1], "A": [2]})).to_pylist() == [{"A": 2, "a": 1}]


def test_the_error_names_a_missing_column() -> None:
    with pytest.raises(ConfigurationError, match="wants the column 'cty', which the query does not return") as caught:
        sent({"name": "cty"})
    assert "city" in str(caught.value)
    assert str(caught.value).endswith("The query's columns: Id, city, CITY_code. Did you mean 'city'?")


def test_an_ambiguous_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'Ab', which the query does not return"):
        selector(["ab", "AB"], [Column(name="Ab")])


def test_columns_are_chosen_from_an_empty_batch() -> None:
    headers, select = selector(["a"], [Column(name="a"), Column(name="b", value=1)])
    empty = select(pa.RecordBatch.from_pydict({"a": pa.array([], pa.int64())}))
    assert headers == ("a", "b")
    assert empty.num_rows == 0
