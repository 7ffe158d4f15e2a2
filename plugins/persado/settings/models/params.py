"""The parameters of a run: JSON Schemas, from which Airflow builds the trigger form."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue

from persado.settings.fields import mistake
from persado.settings.text.spelling import closest

# The parameters that every DAG of this project has.
RESERVED = frozenset({"dry_run", "count_rows", "reason"})

Schema = dict[str, JsonValue]

# Keywords that validate nothing: those of JSON Schema, and those that only Airflow's form reads.
_ANNOTATIONS = (
    *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "definitions", "$defs"),
    *("$schema", "$id", "$anchor", "$comment", "contentEncoding", "contentMediaType", "then", "else"),
    *("section", "description_md", "values_display", "custom_html_form"),
)
# They would become arguments of Airflow's Param, with another meaning.
_NOT_AIRFLOWS = ("self", "schema", "source")

HARMLESS_TEXT = r"^(?:(?!--|/\*)[^'\"`\\;])*$"
"""The pattern of a text that cannot close the quotes around it in a query."""

_LIMITS = {"pattern", "enum", "const", "$ref"}
_LISTS = {"anyOf", "oneOf", "allOf", "prefixItems"}


def guarded(schema: Any) -> Any:
    """
    Return a schema that refuses texts which could change the query, unless the schema limits its texts itself.

    :param schema: a JSON Schema as written in YAML
    """
    if not isinstance(schema, dict):
        return schema
    result = dict(schema)
    kinds = schema.get("type", [] if _LISTS & schema.keys() else "string")
    if "string" in ([kinds] if isinstance(kinds, str) else kinds) and not _LIMITS & schema.keys():
        result["pattern"] = HARMLESS_TEXT
    for key in {"items", "additionalProperties"} & schema.keys():
        result[key] = guarded(schema[key])
    for key in _LISTS & schema.keys():
        result[key] = [guarded(part) for part in schema[key]]
    if "properties" in schema:
        result["properties"] = {name: guarded(part) for name, part in schema["properties"].items()}
    return result


def _schema(schema: Schema) -> Schema:
    # Imported here because it is slow, and few orchestrations have parameters.
    from jsonschema import FormatChecker  # type: ignore[import-untyped]  # has no stubs
    from jsonschema.exceptions import SchemaError, ValidationError  # type: ignore[import-untyped]  # has no stubs
    from jsonschema.validators import validator_for  # type: ignore[import-untyped]  # has no stubs
    from referencing import Registry

    declared: Any = schema
    kind = validator_for(declared)
    for word in schema:
        near = closest(word, known := [*kind.VALIDATORS, *_ANNOTATIONS])
        if word in _NOT_AIRFLOWS:
            raise mistake("is not a keyword of JSON Schema, and Airflow does not accept it. Remove it.", word)
        if near and word not in known:
            raise mistake(f"is not a keyword of JSON Schema. Did you mean '{near}'?", word)
    try:
        kind.check_schema(declared)
        if "default" in schema:
            # The empty registry keeps a "$ref" to another host from being fetched.
            kind(guarded(declared), registry=Registry(), format_checker=FormatChecker()).validate(schema["default"])
    except SchemaError as error:
        raise mistake(f"is not a JSON Schema: {error.message[:200]}.", *error.absolute_path) from None
    except ValidationError as error:
        if error.validator_value == HARMLESS_TEXT:
            raise mistake(
                "contains a quote, \\, ;, -- or /*, which could change the query. To allow them, give the parameter a "
                "pattern.",
                "default",
            ) from None
        raise mistake(f"does not fit the parameter's own schema: {error.message[:200]}.", "default") from None
    # jsonschema may raise anything for an unusable schema.
    except Exception as error:
        raise mistake(f"is a JSON Schema that cannot be used: {str(error)[:200]}.") from None
    return schema


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
