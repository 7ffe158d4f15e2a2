"""The parameters of a run: JSON Schemas, from which Airflow builds the trigger form."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue
from pydantic_core import PydanticCustomError

from persado.settings.fields import mistake
from persado.settings.param_guard import HARMLESS_TEXT, SCALARS, Path, guarded, in_place, parts
from persado.settings.text.spelling import closest

# The parameters that every DAG of this project has.
RESERVED = frozenset({"dry_run", "count_rows", "reason"})

Schema = dict[str, JsonValue]

# Keywords that validate nothing: those of JSON Schema, and those that only Airflow's form reads.
_ANNOTATIONS = (
    *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "definitions", "$defs"),
    *("$schema", "$comment", "contentEncoding", "contentMediaType", "contentSchema", "then", "else"),
    *("section", "description_md", "values_display", "custom_html_form"),
)
# They would become arguments of Airflow's Param, with another meaning.
_NOT_AIRFLOWS = ("self", "schema", "source")


_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_MOVERS = ("$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor")
_REFERENCE = re.compile(r"#/(\$defs|definitions)/([A-Za-z0-9_.-]+)")


def _schema(schema: Schema) -> Schema:
    # Imported here because it is slow, and few orchestrations have parameters.
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no stubs
    from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped]  # has no stubs

    for word in schema:
        near = closest(word, known := [*Draft202012Validator.VALIDATORS, *_ANNOTATIONS])
        if word in _NOT_AIRFLOWS:
            raise mistake("is not a keyword of JSON Schema, and Airflow does not accept it. Remove it.", word)
        if near and word not in known:
            raise mistake(f"is not a keyword of JSON Schema. Did you mean '{near}'?", word)
    _check_keywords(schema)
    try:
        Draft202012Validator.check_schema(schema)
        _check_default(schema)
    except SchemaError as error:
        raise mistake(f"is not a JSON Schema: {error.message[:200]}.", *error.absolute_path) from None
    except PydanticCustomError:
        raise
    # jsonschema may raise anything for an unusable schema.
    except Exception as error:
        raise mistake(f"is a JSON Schema that cannot be used: {str(error)[:200]}.") from None
    return schema


def _check_keywords(schema: Any) -> None:
    """Refuse keywords that could bypass the guard: other drafts, other base URIs, references elsewhere."""
    for at, part in parts(schema, ()):
        if part.get("$schema", _DRAFT) not in (_DRAFT, f"{_DRAFT}#"):
            raise mistake(f"expected JSON Schema 2020-12, the only supported draft. Remove it, or write {_DRAFT}.",
                          *at, "$schema")  # fmt: skip
        for word in _MOVERS:
            if word in part:
                raise mistake(
                    'is not supported. Remove it; put shared schemas under $defs and refer to them with "$ref":'
                    ' "#/$defs/name".',
                    *at, word,
                )  # fmt: skip
        if "$ref" in part:
            found = _REFERENCE.fullmatch(str(part["$ref"]))
            if not found:
                raise mistake('expected "#/$defs/name", a schema under the parameter\'s own $defs. Move it there.',
                              *at, "$ref")  # fmt: skip
            if not isinstance(holder := schema.get(found[1]), dict) or found[2] not in holder:
                raise mistake(f"there is no {found[2]!r} in the parameter's {found[1]}. Add it there.", *at, "$ref")
        if isinstance(patterns := part.get("patternProperties"), dict):
            _check_patterns(list(patterns), (*at, "patternProperties"))
    for at, part in parts(schema, ()):
        _check_circles(schema, part, at)


def _check_circles(root: Schema, part: Any, at: Path, trail: tuple[str, ...] = ()) -> None:
    # Validation would not end, or would crash the process: jsonschema's registry is not written in Python.
    for at_inner, inner in in_place(part, at):
        if (reference := str(inner.get("$ref", ""))) in trail:
            raise mistake(
                "refers to itself without a list or mapping in between. Write out the schema.",
                *at_inner, "$ref",
            )  # fmt: skip
        if reference:
            _, holder, name = reference.split("/")
            definition: Any = root[holder]
            _check_circles(root, definition[name], (holder, name), (*trail, reference))


def _check_patterns(patterns: list[str], at: Path) -> None:
    # jsonschema joins them with "|" to find the keys that match none. Then a flag of the first applies to all, and
    # group numbers change: a key could seem to match although no pattern checks its value.
    for pattern in patterns:
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise mistake(f"is not a regular expression: {error}. Fix it.", *at, pattern) from None
        if len(patterns) > 1 and (compiled.groups or compiled.flags & ~re.UNICODE):
            raise mistake(
                "has a group or a flag, which is not supported beside other patterns. Write (?:...) for a group"
                " and (?i:...) for a flag.",
                *at, pattern,
            )  # fmt: skip


def _check_default(schema: Schema) -> None:
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import best_match
    from referencing import Registry

    # The empty registry keeps references from being fetched.
    validator = Draft202012Validator(guarded(schema), registry=Registry(), format_checker=FormatChecker())
    error = best_match(
        validator.iter_errors(schema.get("default"))
    )  # even without a default: it reveals schemas that cannot be used
    if error is None or "default" not in schema:
        return
    if error.validator_value == HARMLESS_TEXT:
        raise mistake(
            "contains a quote, \\, ;, --, /*, a yen sign or a control character, which could change the query. To allow"
            " them, give the text's own schema a pattern.",
            "default", *error.absolute_path,
        )  # fmt: skip
    if error.validator_value is SCALARS:
        raise mistake(
            "is a list or a mapping, which the schema must allow. Add type: array or type: object to its schema.",
            "default", *error.absolute_path,
        )  # fmt: skip
    raise mistake(f"does not fit the parameter's own schema: {error.message[:200]}.", "default")


def _names(params: dict[str, Schema]) -> dict[str, Schema]:
    for name in params:
        if not name.isidentifier() or not name.isascii():
            raise mistake(
                "a parameter's name may contain only letters, digits and _, and not begin with a digit. Rename it.",
                name,
            )
        if name in RESERVED:
            raise mistake("is a parameter that every orchestration already has. Choose another name.", name)
    return params


Params = Annotated[dict[str, Annotated[Schema, AfterValidator(_schema)]], Field(), AfterValidator(_names)]
