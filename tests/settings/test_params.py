"""Parameters whose text goes into a query: nobody can change the query by them."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from persado.settings.models.params import HARMLESS_TEXT, Params, guarded

TEXT = {"type": "string"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"type": "string", "enum": ["a'b"]},
        {"type": "string", "const": "--"},
        {"type": "string", "pattern": "^[a-z']*$"},
        {"anyOf": [{"type": "null"}, {"type": "string", "pattern": "."}]},
        {"type": ["number", "null"]},
    ],
)
def test_a_schema_with_limits_of_its_own_stays(schema: dict[str, Any]) -> None:
    assert guarded(schema) == schema


@pytest.mark.parametrize(
    ("schema", "takes", "refuses"),
    [
        (
            TEXT,
            ["", "spring sale", "A-1", "a/b", "é", "two\nlines"],
            ["o'x", 'a"b', "a`b", "a\\b", "a;b", "a--b", "a/*b"],
        ),
        ({}, ["a", 1], ["'"]),
        ({"type": "string", "format": "date-time"}, ["2026-01-01T00:00:00Z"], ["'"]),
        ({"type": ["null", "string"]}, [None, "a"], ["'"]),
        ({"type": "array", "items": TEXT}, [["a"]], [["'"]]),
        ({"type": "array", "prefixItems": [TEXT]}, [["a"]], [["'"]]),
        ({"anyOf": [{"type": "null"}, TEXT]}, [None, "a"], ["'"]),
        ({"type": "object", "properties": {"x": TEXT}}, [{"x": "a"}], [{"x": "'"}]),
        ({"type": "object", "additionalProperties": TEXT}, [{"y": "a"}], [{"y": "'"}]),
    ],
)
def test_text_that_could_end_its_quotes_is_refused(
    schema: dict[str, Any], takes: list[Any], refuses: list[Any]
) -> None:
    from airflow.sdk import Param
    from airflow.sdk.exceptions import ParamValidationError

    for value in takes:
        assert Param(value, **guarded(schema)).resolve() == value
    for value in refuses:
        with pytest.raises((ParamValidationError, ValueError), match=r"does not match|not valid under any"):
            Param(value, **guarded(schema)).resolve()


def test_a_default_that_could_end_its_quotes_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match="contains a quote") as refused:
        TypeAdapter(Params).validate_python({"name": {"type": "string", "default": "O'Neil"}})
    assert HARMLESS_TEXT not in str(refused.value)
    TypeAdapter(Params).validate_python({"name": {"type": "string", "default": "O'Neil", "pattern": "^[A-Z].*$"}})
