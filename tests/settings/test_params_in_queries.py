"""Whatever a parameter's schema leaves open, and whatever somebody puts there: the query's structure stays the same."""

from __future__ import annotations

import os
import re
from collections import Counter
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import Environment, StrictUndefined, TemplateError
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no stubs
from pydantic import TypeAdapter, ValidationError
from sqlglot import ErrorLevel, exp, parse
from sqlglot.errors import SqlglotError

from persado.settings.models.params import Params
from persado.settings.param_guard import guarded

DIALECTS = ("postgres", "duckdb", "sqlite", "mysql", "snowflake", "bigquery")
READER = TypeAdapter[dict[str, Any]](Params)
JINJA = Environment(undefined=StrictUndefined, autoescape=False)

TEXT_QUERY = "SELECT a FROM t WHERE b = '{{ %s }}' AND c = '{{ %s }}'"
LIST_QUERY = "SELECT a FROM t WHERE b IN ('{{ %s | join(\"','\") }}') AND c = 'x'"
NASTY = (
    *("'", '"', "`", "\\", ";", "--", "/*", "*/", "#", "$$", "\0", "\n", "\u00a5", "{{", "{% raw %}", "%s", ":x", "?"),
    *(
        " OR 1=1 OR ",
        " UNION SELECT mail FROM people ",
        "x' OR '1'='1",
        " OR 1=1 # \\",
        "'; DROP TABLE t; --",
        "') OR ('1'='1",
    ),
)
# Each changes one of the queries, where nothing keeps it out.
ATTACKS = ("' OR '1'='1", "') OR ('1'='1", " OR 1=1 OR ", " OR 1=1 # \\")
PLACED = [
    placed
    for text in ATTACKS
    for placed in (text, [text], ["a", text], [[text]], [{"a": text}], {"a": text}, {"b": [text]}, {text: "a"})
]
NAMES = ("a", "b", "x_y", "o'x", "pattern", "type")
texts = st.one_of(
    st.sampled_from(["a", "TX", "two words", *NASTY]),
    st.lists(st.sampled_from(["a", " ", *NASTY]), min_size=2, max_size=4).map("".join),
    st.text(max_size=4),
)
scalars = st.one_of(texts, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False))
keys = st.one_of(st.sampled_from(NAMES), texts)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=5,
)

# The author's own limits, which let nothing through that could change a query.
LIMITED: list[Any] = [
    *({"type": "string", "pattern": "^[a-z]*$"}, {"enum": ["TX", "a", 1, None]}, {"const": "a"}, False),
]
OPEN: list[Any] = [
    *(True, {}, {"type": "string"}, {"type": "array"}, {"type": "object"}, {"maxLength": 99}, {"minItems": 1}),
    *({"type": ["string", "null"]}, {"type": ["array", "null"]}, {"type": ["array", "object"]}, {"title": "x"}),
    *({"type": "integer"}, {"type": "string", "format": "date"}, {"required": ["a"]}, {"$ref": "#/$defs/d"}),
]


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "array", "object", ["array", "object"], ["string", "null"]]),
            "items": inner,
            "prefixItems": several,
            "contains": inner,
            "unevaluatedItems": inner,
            "properties": named,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b", ".", "y$"]), inner, max_size=2),
            "additionalProperties": inner,
            "unevaluatedProperties": inner,
            "propertyNames": st.sampled_from([True, {"maxLength": 99}, {"pattern": "^[a-z]*$"}]),
            "dependentSchemas": named,
            "anyOf": several,
            "oneOf": several,
            "allOf": several,
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "$ref": st.sampled_from(["#/$defs/d", "#/definitions/e"]),
        },
    ).filter(lambda schema: len(schema) < 5)


schemas = st.recursive(st.sampled_from([*OPEN, *OPEN, *LIMITED]), _deeper, max_leaves=5)
# Most lists and mappings are asked for at the top.
roots = st.builds(
    lambda kind, schema, d, e: {
        **({"type": kind} if kind else {}),
        **(schema if isinstance(schema, dict) else {"allOf": [schema]}),
        "$defs": {"d": d},
        "definitions": {"e": e},
    },
    st.sampled_from([None, None, "string", "array", "object"]),
    st.one_of(schemas, schemas, schemas, st.sampled_from([{"$ref": "#/$defs/d"}, {"$ref": "#/definitions/e"}])),
    schemas,
    schemas,
)


def written(query: str) -> str:
    """Give a query with a harmless text."""
    return re.sub("{{.+?}}", "benign", query)


@lru_cache(maxsize=1024)
def structure(sql: str, dialect: str) -> list[Any] | None:
    """
    Give the query's trees, with all texts the same, and a list of texts as long as any other.

    :return: None for what is no query: the database refuses it
    """
    try:
        trees = parse(sql, dialect, error_level=ErrorLevel.RAISE)
    except SqlglotError:
        return None
    for tree in filter(None, trees):
        for found in list(tree.find_all(exp.In)):
            if all(isinstance(part, exp.Literal) and part.is_string for part in found.expressions):
                found.set("expressions", [exp.Literal.string("")])
        for literal in list(tree.find_all(exp.Literal)):
            if literal.is_string:
                literal.set("this", "")
    return list(trees)


def ways(value: Any, name: str = "p") -> list[tuple[str, str]]:
    """Give the ways in which an author would write a parameter who had a value like this in mind."""
    if isinstance(value, list):
        plain = all(not isinstance(item, list | dict) for item in value)
        inside = [way for index, item in enumerate(value) for way in ways(item, f"{name}[{index}]")]
        return [*([(LIST_QUERY, name)] if plain and value else []), *inside]
    if isinstance(value, dict):
        inside = [way for key, item in value.items() if key in NAMES for way in ways(item, f'{name}["{key}"]')]
        return [*([(LIST_QUERY, name)] if value else []), *inside]
    return [] if value is None else [(TEXT_QUERY, name)]


def changed_by(value: Any, query: str, name: str) -> str | None:
    """Give the query if the value changes it."""
    try:
        sql = JINJA.from_string(query.replace("%s", name)).render(p=value)
    except (TemplateError, TypeError):  # of another kind than the author had in mind: the run fails
        return None
    for dialect in DIALECTS:
        found = structure(sql, dialect)
        if found is not None and found != structure(written(query), dialect):
            return f"{dialect}: {sql}"
    return None


def test_the_hole_is_seen_without_the_guard() -> None:
    assert changed_by(["x') OR ('1'='1"], LIST_QUERY, "p")
    assert changed_by([" OR 1=1 OR "], TEXT_QUERY, "p")
    assert changed_by([[" OR 1=1 OR "]], LIST_QUERY, "p")
    assert changed_by(" OR 1=1 # \\", TEXT_QUERY, "p")
    assert not changed_by(["TX", "NY"], LIST_QUERY, "p")
    assert not changed_by("TX", TEXT_QUERY, "p")


SEEN: Counter[str] = Counter()
EXAMPLES = int(os.environ.get("PERSADO_EXAMPLES", "150"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(schema=roots, tried=st.lists(values, min_size=10, max_size=10))
def _no_value_changes_the_query(schema: dict[str, Any], tried: list[Any]) -> None:
    try:
        READER.validate_python({"p": schema})
    except ValidationError:
        SEEN["refused schemas"] += 1
        return
    SEEN["schemas"] += 1
    validator, original = Draft202012Validator(guarded(schema)), Draft202012Validator(schema)
    simple: list[Any] = ["a", 1, ["a"], ["a", "a"], {"a": "a"}, {"b": "a"}, {"a": ["a"]}, [["a"]], [{"a": "a"}]]
    accepted = [value for value in [*simple, *PLACED, *tried] if validator.is_valid(value)]
    assert all(original.is_valid(value) for value in accepted)
    intended = {way for value in accepted for way in ways(value)}
    for query, name in intended:
        for value in accepted:
            SEEN["renderings"] += 1
            assert changed_by(value, query, name) is None


def test_no_value_changes_the_query() -> None:
    _no_value_changes_the_query()
    assert SEEN["schemas"] > EXAMPLES / 2
    assert SEEN["renderings"] > EXAMPLES


@pytest.mark.parametrize("schema", [{"type": "array"}, {"type": "array", "default": ["TX"]}], ids=str)
@pytest.mark.parametrize("value", [["x') OR ('1'='1"], [[" OR 1=1 OR "]], [{"x": " OR 1=1 OR "}], [{"'": 1}]], ids=str)
def test_the_hole_is_closed(schema: dict[str, Any], value: Any) -> None:
    validator = Draft202012Validator(guarded(READER.validate_python({"p": schema})["p"]))
    assert validator.is_valid(["TX", "NY"])
    assert not validator.is_valid(value)
