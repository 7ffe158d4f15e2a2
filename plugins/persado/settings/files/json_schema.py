"""The JSON Schemas of the YAML files: for editors, for the reference and for error messages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from persado.settings.models.contract import Contract
from persado.settings.models.data_template import DataTemplate
from persado.settings.models.destination import Destination
from persado.settings.models.orchestration import Orchestration

Schema = Mapping[str, Any]

MODELS: Mapping[str, type[BaseModel]] = {
    "destination": Destination,
    "data_template": DataTemplate,
    "orchestration": Orchestration,
    "contract": Contract,
}


class _AsWritten(GenerateJsonSchema):
    """Keep the order of keys, so that examples read as they were written."""

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value


@cache
def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """
    Return the JSON Schema of a kind of file.

    :param model: one of :data:`MODELS`
    """
    schema = model.model_json_schema(schema_generator=_AsWritten)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def branches(root: Schema, node: Schema) -> Iterator[Schema]:
    """
    Yield the alternatives of a node, with references resolved.

    :param root: the whole schema
    :param node: a part of it
    """
    if "$ref" in node:
        node = root["$defs"][node["$ref"].rpartition("/")[2]]
    alternatives = node.get("anyOf") or node.get("oneOf")
    if alternatives is None:
        yield node
    for alternative in alternatives or ():
        yield from branches(root, alternative)


def nodes_at(root: Schema, path: tuple[str | int, ...]) -> list[Schema]:
    """
    Return the alternatives of the value at a path.

    :param root: the whole schema
    :param path: keys and indexes from the top
    """
    nodes: list[Schema] = [root]
    for step in path:
        held = (
            node.get("items")
            if isinstance(step, int)
            else node.get("properties", {}).get(step) or node.get("additionalProperties")
            for parent in nodes
            for node in branches(root, parent)
        )
        nodes = [node for node in held if isinstance(node, Mapping)]
    return [branch for node in nodes for branch in branches(root, node)]


def values(nodes: list[Schema]) -> list[str]:
    """Return a description of each alternative."""
    return [text for node in nodes for text in _values(node)]


def _values(node: Schema) -> list[str]:
    if "enum" in node or "const" in node:
        return [str(value) for value in node.get("enum", [node.get("const")])]
    match node.get("type"):
        case "boolean":
            return ["true or false"]
        case "integer":
            return [_whole_number(node)]
        case "string":
            return ["a date such as 2026-12-31" if node.get("format") == "date" else "a text"]
        case "null":
            return ["null"]
        case "array":
            return ["a list of at least one"] if node.get("minItems") else ["a list"]
        case "object" if "properties" in node:
            return ["{" + ", ".join(node["properties"]) + "}"]
        case "object":
            return ["a mapping"]
    return ["a JSON value"]


def _whole_number(node: Schema) -> str:
    low, high = node.get("minimum", -math.inf), node.get("maximum", math.inf)
    # Do not mention the limits of 64-bit integers.
    if low < -(2**53):
        return "a whole number"
    return f"a whole number of at least {low}" if high == math.inf else f"a whole number from {low} to {high}"
