"""Parameters whose text goes into a query: nobody can change the query by them."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no stubs
from pydantic import TypeAdapter, ValidationError

from persado.settings.models.params import Params
from persado.settings.param_guard import HARMLESS_TEXT, guarded

TEXT = {"type": "string"}
OWN = {"type": "string", "pattern": "^[A-Z]'[A-Z][a-z]+$"}
NAME = "O'Neil"
LIST = [" OR 1=1 OR "]


def read(schema: dict[str, Any]) -> dict[str, Any]:
    return TypeAdapter(Params).validate_python({"p": schema})["p"]


def accepts(schema: dict[str, Any], value: Any) -> bool:
    valid: bool = Draft202012Validator(guarded(read(schema))).is_valid(value)
    return valid


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"type": "string", "enum": ["a'b"]},
        {"type": "string", "const": "--"},
        {"type": "string", "pattern": "^[a-z']*$"},
        {"anyOf": [{"type": "null"}, {"type": "string", "pattern": "."}]},
        {"oneOf": [{"type": "null"}, {"type": "string", "pattern": "."}]},
        {"type": ["number", "null"]},
        {"type": "array", "items": OWN},
        {"type": "array", "prefixItems": [OWN], "items": False},
        {"type": "object", "properties": {"o'x": OWN}, "additionalProperties": False},
        {"type": "object", "propertyNames": OWN, "additionalProperties": OWN},
        {"enum": [["a'b"], {"o'x": "--"}]},
    ],
)
def test_a_schema_with_limits_of_its_own_stays(schema: dict[str, Any]) -> None:
    assert guarded(read(schema)) == schema


@pytest.mark.parametrize(
    ("schema", "takes", "refuses"),
    [
        (
            TEXT,
            ["", "spring sale", "A-1", "a/b", "é", "’", "two\nlines\n", "#", "$$", "{{ x }}", "%s"],
            ["o'x", 'a"b', "a`b", "a\\b", "a;b", "a--b", "a/*b", "a\0b", "\u00a5", "\x1a"],
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


@pytest.mark.parametrize(
    ("schema", "takes", "refuses"),
    [
        ({"type": "array"}, [[], ["TX", 1, None]], [["'"], [LIST], [{"a": "b"}]]),
        ({"type": ["array", "null"]}, [None, ["TX"]], [["'"]]),
        ({"type": "array", "items": True}, [["TX"]], [["'"], [LIST]]),
        ({"type": "array", "items": {"minLength": 1}}, [["TX"]], [["'"], [LIST]]),
        ({"type": "array", "items": {"type": "array"}}, [[["TX"]]], [[["'"]], [[LIST]]]),
        ({"type": "array", "prefixItems": [True, OWN]}, [["a", NAME, "b"]], [["'"], ["a", NAME, "'"]]),
        ({"type": "array", "contains": {"const": "TX"}}, [["TX", "NY"]], [["TX", "'"]]),
        ({"type": "array", "unevaluatedItems": OWN}, [[NAME]], [["'"]]),
        ({"type": "array", "contains": True, "unevaluatedItems": False}, [["TX"]], [["'"]]),
        ({"type": "array", "prefixItems": [True], "unevaluatedItems": False}, [["TX"]], [["'"], ["TX", "TX"]]),
        ({"type": "object"}, [{"a": "b"}], [{"a": "'"}, {"'": "a"}, {"a": LIST}]),
        ({"type": "object", "additionalProperties": True}, [{"a": "b"}], [{"a": "'"}, {"'": 1}, {"a": LIST}]),
        ({"type": "object", "additionalProperties": OWN}, [{"a": NAME}], [{"a": "'"}, {"'": NAME}]),
        ({"type": "object", "properties": {"o'x": OWN}}, [{"o'x": NAME, "b": 1}], [{"o'x": "'"}, {"p'x": 1}]),
        ({"type": "object", "patternProperties": {"^a": OWN}}, [{"a": NAME}], [{"a'": NAME}, {"a": "'"}, {"b": "'"}]),
        ({"type": "object", "propertyNames": {"maxLength": 9}}, [{"a": "b"}], [{"'": 1}, {"a": "'"}]),
        ({"type": "object", "propertyNames": OWN}, [{NAME: "b"}], [{NAME: "'"}, {"a": 1}]),
        ({"type": "object", "unevaluatedProperties": OWN}, [{"a": NAME}], [{"a": "'"}, {"'": NAME}]),
        (
            {"type": "object", "allOf": [{"properties": {"a": True}}], "unevaluatedProperties": False},
            [{"a": "b"}],
            [{"a": "'"}, {"b": "b"}],
        ),
        ({"type": "object", "dependentSchemas": {"a": True}}, [{"a": "b"}], [{"a": "'"}]),
        ({"type": "object", "properties": {"a": True}, "anyOf": [{"required": ["a"]}]}, [{"a": 1}], [{"a": "'"}]),
        ({"allOf": [True]}, ["a"], ["'", LIST]),
        ({"type": "array", "allOf": [{"minItems": 1}]}, [["a"]], [["'"], []]),
        ({"anyOf": [True, False]}, ["a"], ["'", LIST]),
        ({"type": "string", "anyOf": [OWN, {"maxLength": 2}]}, [NAME, "ab"], ["'", "abc"]),
        ({"type": "string", "oneOf": [OWN, {"maxLength": 2}]}, [NAME, "ab"], ["'", "abc"]),
        # The second part guarded accepts less; what the author refuses stays refused.
        ({"type": "string", "oneOf": [OWN, {"maxLength": 9}]}, ["ab"], ["'", NAME]),
        ({"if": {"type": "string"}, "then": {"maxLength": 2}, "else": {"minimum": 1}}, ["a", 2], ["'", 0, LIST]),
        ({"not": {"const": "a"}}, ["b"], ["a", "'", LIST]),
        ({"$ref": "#/$defs/x", "$defs": {"x": {}}}, ["a"], ["'", LIST]),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"$ref": "#/definitions/y"}}, "definitions": {"y": OWN}}, [NAME], ["'"]),
        ({"type": "array", "items": {"$ref": "#/$defs/x"}, "$defs": {"x": True}}, [["a"]], [["'"], [LIST]]),
        (
            {"$ref": "#/$defs/x", "$defs": {"x": {"type": "array", "items": {"$ref": "#/$defs/x"}}}},
            [[], [[[]]]],
            [["'"], ["a"]],
        ),
        # A guarded definition accepts less, but not so inside "not".
        (
            {"pattern": "'", "not": {"$ref": "#/$defs/long"}, "$defs": {"long": {"type": "string", "minLength": 9}}},
            [NAME],
            ["O'Neil, O'Hara"],
        ),
    ],
    ids=str,
)
def test_what_a_schema_leaves_open_is_guarded(schema: dict[str, Any], takes: list[Any], refuses: list[Any]) -> None:
    assert [value for value in takes if not accepts(schema, value)] == []
    assert [value for value in refuses if accepts(schema, value)] == []


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"type": "array"}, {}),
        ({"type": "array", "items": True}, {}),
        ({"type": "array", "items": {"minLength": 1}}, {}),
        ({"type": "array", "items": TEXT, "examples": ["a"]}, {"items": "string"}),
        ({"type": "object", "format": "multiline"}, {}),
        ({}, {}),
        ({"$ref": "#/$defs/x", "$defs": {"x": TEXT}}, {}),
    ],
    ids=str,
)
def test_the_trigger_form_shows_the_same_field(schema: dict[str, Any], field: dict[str, Any]) -> None:
    """What decides about the field is the same as without the guard: see :mod:`persado.settings.param_guard`."""
    shown = guarded(read(schema))
    for word in ("type", "enum", "const", "examples", "format", "minimum", "maximum", "minLength", "maxLength"):
        assert shown.get(word) == schema.get(word)
    items = shown.get("items")
    assert (items.get("type") if isinstance(items, dict) else None) == field.get("items")


@pytest.mark.parametrize(
    ("default", "at"), [("O'Neil", ()), (["a", "b'"], (1,)), ({"a": "b'"}, ("a",)), ({"a": {"b": "'"}}, ("a", "b"))]
)
def test_a_default_that_could_end_its_quotes_is_a_mistake(default: Any, at: tuple[Any, ...]) -> None:
    kind = {"str": "string", "list": "array", "dict": "object"}[type(default).__name__]
    schema = {"type": kind, "default": default, "properties": {"a": {"type": ["object"]}} if len(at) > 1 else {}}
    with pytest.raises(ValidationError, match="contains a quote") as refused:
        read(schema)
    (error,) = refused.value.errors()
    assert error["ctx"]["at"] == ("default", *at)
    assert HARMLESS_TEXT not in str(refused.value)
    read({"type": "string", "default": "O'Neil", "pattern": "^[A-Z].*$"})


@pytest.mark.parametrize(
    ("schema", "at", "says"),
    [
        ({"type": ["string", "array"]}, (), "Allow only one of them, such as type: array."),
        ({"anyOf": [TEXT, {"type": "array"}]}, (), "Allow only one of them"),
        ({"type": "array", "items": {"type": ["object", "integer"]}}, ("items",), "Allow only one of them"),
        ({"items": TEXT}, (), "Allow only one of them"),
        # The same place is a text for one alternative, and a list for another.
        (
            {"type": "array", "anyOf": [{"items": TEXT}, {"items": {"type": "array"}}]},
            ("anyOf", 1, "items"),
            "in one of several alternatives",
        ),
        ({"type": "array", "prefixItems": [TEXT], "items": {"type": "array"}}, ("items",), "several alternatives"),
        ({"type": ["array", "object"], "items": {"type": "array"}}, ("items",), "several alternatives"),
        ({"default": ["TX"]}, ("default",), "Add type: array"),
        ({"type": "array", "default": [["TX"]]}, ("default", 0), "Add type: array"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, ("$schema",), "expected JSON Schema 2020-12"),
        ({"not": {"$schema": "x"}}, ("not", "$schema"), "expected JSON Schema 2020-12"),
        ({"$id": "https://example.com/a"}, ("$id",), "is not supported"),
        ({"allOf": [{"$anchor": "a"}]}, ("allOf", 0, "$anchor"), "is not supported"),
        ({"$defs": {"a": {"$dynamicAnchor": "a"}}}, ("$defs", "a", "$dynamicAnchor"), "is not supported"),
        ({"properties": {"a": {"$dynamicRef": "#a"}}}, ("properties", "a", "$dynamicRef"), "is not supported"),
        ({"items": {"$recursiveRef": "#"}}, ("items", "$recursiveRef"), "is not supported"),
        ({"$ref": "#"}, ("$ref",), 'expected "#/$defs/name"'),
        ({"$ref": "#/properties/a"}, ("$ref",), 'expected "#/$defs/name"'),
        ({"$ref": "https://example.com/a.json"}, ("$ref",), 'expected "#/$defs/name"'),
        ({"$ref": "#/$defs/a"}, ("$ref",), "there is no 'a' in the parameter's $defs"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, ("$defs", "a", "$ref"), "refers to itself"),
        (
            {"$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"then": {"$ref": "#/$defs/a"}}}},
            ("$defs", "a", "not", "$ref"),
            "refers to itself",
        ),
        # jsonschema joins the patterns by "|": of "NAME" it thinks that a pattern has looked at it.
        (
            {"type": "object", "patternProperties": {"(?i)^q": OWN, "^name": OWN}},
            ("patternProperties", "(?i)^q"),
            "has a group or a flag",
        ),
        ({"type": "object", "patternProperties": {"(": OWN}}, ("patternProperties", "("), "regular expression"),
    ],
    ids=str,
)
def test_a_schema_that_could_bypass_the_guard_is_refused(
    schema: dict[str, Any], at: tuple[Any, ...], says: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        read(schema)
    (error,) = refused.value.errors()
    assert error["ctx"]["at"] == at
    assert says in error["msg"]


def test_the_draft_may_be_named() -> None:
    read({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "string"})
