"""
Guard the parameters of a run: no value from a trigger form can change the query that it is rendered into.

:func:`guarded` closes what the author of a parameter's JSON Schema left open. For every value that the result accepts:

* Each text, and each key, is harmless, or the author limits it at that place with ``pattern``, ``enum`` or ``const``.
  Keys named in ``properties`` come from the author, too.
* No list or mapping is accepted where a text or number is. Jinja renders a list like Python does, with quotes:
  ``'{{ params.state }}'`` would turn the harmless text in ``[" OR 1=1 OR "]`` into part of the query.

Keywords that only narrow what is accepted (``not``, ``if``, ``then``, ``contains``, ``dependentSchemas`` …) stay as
they are. A guard inside them would add nothing, and inside ``not`` it would accept more.

Airflow's trigger form (3.3: the function in the UI's bundle that picks a field) reads only ``type``, ``enum``,
``examples`` and ``format`` of the top level, and ``items.type``. A list whose items have no ``type``, or ``string``,
is a box with one text per line; any other list is a JSON editor. So the guard never adds ``type`` or ``items`` at the
top level: it puts them into ``allOf``, which the form ignores.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from persado.settings.fields import mistake

HARMLESS_TEXT = r"^(?:(?!--|/\*)[^'\"`\\;\u00a5\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f])*$"
"""
The pattern of a text that cannot close the quotes around it in a query.

Quotes and the backslash can. So can the yen sign: Python's Japanese codecs encode it as the byte of a backslash,
which a MySQL connection in ``sjis`` sees. ``;``, ``--`` and ``/*`` do nothing between quotes; they are refused in
case a query lacks the quotes. Some drivers end the query at a NUL, and no text needs a control character other than
tab and line break. ``#``, ``$$`` and ``{{`` are allowed: between quotes they are text, and Airflow renders a query
only once. ``$`` also matches before a final line break, which is harmless.
"""

SCALARS = ["string", "number", "boolean", "null"]
"""The types of values that contain no other values."""

Path = tuple[str | int, ...]

_CONTAINERS = frozenset({"array", "object"})
_KINDS = frozenset(SCALARS) | _CONTAINERS
_KIND_OF = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}

# The keywords of JSON Schema 2020-12 that hold schemas: one, a list, or one per name.
_ONE = (
    *("items", "contains", "additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties"),
    *("not", "if", "then", "else", "contentSchema"),
)
_LISTS = ("prefixItems", "allOf", "anyOf", "oneOf")
_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")

_LIMITS_ALL = {"enum", "const"}
_LIMITS_TEXT = _LIMITS_ALL | {"pattern"}
_DESCRIBES = {"items", "prefixItems", "properties", "patternProperties", "additionalProperties"}
_OF_CONTAINERS = _DESCRIBES | {"unevaluatedItems", "unevaluatedProperties", "propertyNames", "contains"}
# Beside one of these, "unevaluated…" skips what they have evaluated.
_LOOKS_TOO = {"allOf", "anyOf", "oneOf", "$ref", "if", "then", "else", "dependentSchemas", "contains"}


def guarded(schema: Any) -> Any:
    """
    Return a schema that refuses values which could change the query, unless the schema limits its texts itself.

    :param schema: a checked JSON Schema as written in YAML
    :raises PydanticCustomError: if one place accepts a text as well as a list or a mapping
    """
    guard = _Guard(schema)
    result = guard.place(schema, ())
    if guard.copies:
        result["$defs"] = {**result.get("$defs", {}), **guard.copies}
    return result


def parts(schema: Any, at: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield a schema and all schemas in it; skip booleans and anything that is not a schema."""
    return _walk(schema, at, _ONE, _LISTS, _NAMED)


def in_place(schema: Any, at: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield a schema and those in it that apply to the same value, not to a value inside it; see :func:`parts`."""
    return _walk(schema, at, ("not", "if", "then", "else"), ("allOf", "anyOf", "oneOf"), ("dependentSchemas",))


def _walk(
    schema: Any, at: Path, one: Iterable[str], lists: Iterable[str], named: Iterable[str]
) -> Iterator[tuple[Path, dict[str, Any]]]:
    if not isinstance(schema, dict):
        return
    yield at, schema
    inner: list[tuple[Path, Any]] = [((word,), schema[word]) for word in one if word in schema]
    inner += [((word, i), part) for word in lists for i, part in enumerate(_as(list, schema.get(word)))]
    inner += [((word, name), part) for word in named for name, part in _as(dict, schema.get(word)).items()]
    for where, part in inner:
        yield from _walk(part, (*at, *where), one, lists, named)


def _as(kind: Any, value: Any) -> Any:
    return value if isinstance(value, kind) else kind()


class _Guard:
    """
    Guard one parameter's schema.

    :param root: the parameter's schema, whose ``$defs`` the references point to
    """

    def __init__(self, root: Any) -> None:
        self.root = root
        self.copies: dict[str, Any] = {}
        """Guarded copies of definitions. The originals stay for references that only narrow."""
        words = {word for _, part in parts(root, ()) for word in part}
        self.quiet = bool({"unevaluatedItems", "unevaluatedProperties"} & words)

    def place(self, schema: Any, at: Path, *, flat: bool = False) -> Any:
        """Guard the schema of a place that holds a value: the parameter, an item, a mapping's value."""
        kinds = self._kinds(schema)
        if not kinds & _CONTAINERS or not (flat or kinds - _CONTAINERS - {"null"}):
            return self._covered(schema, kinds, at, flat=flat)
        if kinds != _KINDS or _OF_CONTAINERS & set(schema if isinstance(schema, dict) else ()):
            why = (
                "in one of several alternatives, and another may have a text there"
                if flat
                else "as well as a text or a number"
            )
            raise mistake(
                f"accepts a list or a mapping {why}. A list that is rendered in place of a text could change the query."
                " Allow only one of them, such as type: array.",
                *at,
            )
        result = self._covered(schema, kinds - _CONTAINERS, at, flat=flat)
        _add(result, {"type": SCALARS})
        return result

    def _kinds(self, schema: Any, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        """Return the types that a schema may accept, without lists and mappings that the author has written out."""
        if not isinstance(schema, dict):
            return frozenset() if schema is False else _KINDS
        kinds = _KINDS
        if "type" in schema:
            types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            kinds &= {"number" if kind == "integer" else kind for kind in types}
        for values in [schema.get("enum"), [schema["const"]] if "const" in schema else None]:
            if values is not None:
                kinds &= {_KIND_OF.get(type(value), "") for value in values}
        for part in schema.get("allOf", ()):
            kinds &= self._kinds(part, seen)
        for word in {"anyOf", "oneOf"} & schema.keys():
            kinds &= frozenset[str]().union(*(self._kinds(part, seen) for part in schema[word]))
        reference = schema.get("$ref")
        if reference and reference not in seen:
            kinds &= self._kinds(self._definition(reference), seen | {reference})
        return kinds

    def _definition(self, reference: str) -> Any:
        _, holder, name = reference.split("/")
        return self.root[holder][name]

    def _covered(self, schema: Any, kinds: frozenset[str], at: Path, *, flat: bool) -> Any:
        """
        Guard a schema for values of some types, so that it is safe on its own.

        :param flat: allow no lists and mappings inside, because another alternative may have a text at the same place
        """
        if schema is False:
            return schema
        schema = {} if schema is True else schema
        if _LIMITS_ALL & schema.keys():
            return schema
        kinds &= self._kinds(schema)
        if not ({"pattern"} | _DESCRIBES) & schema.keys() and (
            word := next((word for word in ("$ref", "anyOf", "oneOf", "allOf") if word in schema), None)
        ):
            return self._delegated(schema, word, kinds, at, flat=flat)
        result = dict(schema)
        if "string" in kinds and "pattern" not in schema:
            result["pattern"] = HARMLESS_TEXT
        flat = flat or kinds >= _CONTAINERS
        if "array" in kinds:
            self._guard_items(result, schema, at, flat=flat)
        if "object" in kinds:
            self._guard_values(result, schema, at, flat=flat)
            _guard_keys(result, schema)
        return result

    def _delegated(self, schema: Mapping[str, Any], word: str, kinds: frozenset[str], at: Path, *, flat: bool) -> Any:
        """Guard a schema that delegates to other schemas, by guarding each of them."""
        result = dict(schema)
        if word == "$ref":
            result["$ref"] = self._copy(schema["$ref"], kinds, flat=flat)
            return result
        flat = flat or (word != "allOf" and sum(bool(kinds & self._kinds(p) & _CONTAINERS) for p in schema[word]) > 1)
        parts = [self._covered(part, kinds, (*at, word, i), flat=flat) for i, part in enumerate(schema[word])]
        if word == "oneOf":  # a guarded part accepts less, so another part might become the only match
            if parts != schema[word]:
                _add(result, {"anyOf": parts})
        else:
            result[word] = parts
        return result

    def _copy(self, reference: str, kinds: frozenset[str], *, flat: bool) -> str:
        _, holder, name = reference.split("/")
        # A reference written by an author has no colon.
        own = ":".join(["guarded", *sorted(kinds), *(["flat"] if flat else []), holder, name])
        if own not in self.copies:
            self.copies[own] = True  # for a definition that refers to itself
            self.copies[own] = self._covered(self._definition(reference), kinds, (holder, name), flat=flat)
        return f"#/$defs/{own}"

    def _guard_items(self, result: dict[str, Any], schema: Mapping[str, Any], at: Path, *, flat: bool) -> None:
        first = schema.get("prefixItems", [])
        word = _word_for_the_rest(schema, "items", "unevaluatedItems")
        if first:
            several = [self._kinds(part) for part in (*first, schema[word] if word else True)]
            # The query may join the items, so an item that is a list may be rendered like a text.
            flat = flat or len({bool(kinds & _CONTAINERS) and kinds != _KINDS for kinds in several if kinds}) > 1
            result["prefixItems"] = [
                self.place(part, (*at, "prefixItems", index), flat=flat) for index, part in enumerate(first)
            ]
        if word:
            result[word] = self.place(schema[word], (*at, word), flat=flat)
            return
        rest: dict[str, Any] = {"items": self.place(True, at)}
        if first:
            rest["prefixItems"] = [True] * len(first)
        self._add_silently(result, rest)

    def _guard_values(self, result: dict[str, Any], schema: Mapping[str, Any], at: Path, *, flat: bool) -> None:
        described = {"properties", "patternProperties"} & schema.keys()
        for named in described:
            result[named] = {
                name: self.place(part, (*at, named, name), flat=flat) for name, part in schema[named].items()
            }
        if word := _word_for_the_rest(schema, "additionalProperties", "unevaluatedProperties"):
            result[word] = self.place(schema[word], (*at, word), flat=flat)
            return
        rest = {named: dict.fromkeys(schema[named], True) for named in described}
        self._add_silently(result, {**rest, "additionalProperties": self.place(True, at)})

    def _add_silently(self, result: dict[str, Any], guard: dict[str, Any]) -> None:
        # A "not" does not mark values as evaluated: "unevaluatedItems: false" beside it still refuses them.
        _add(result, {"not": {"not": guard}} if self.quiet else guard)


def _word_for_the_rest(schema: Mapping[str, Any], usual: str, unevaluated: str) -> str | None:
    """Return the keyword that describes all values that no other keyword describes."""
    if usual in schema:
        return usual
    return unevaluated if unevaluated in schema and not _LOOKS_TOO & schema.keys() else None


def _guard_keys(result: dict[str, Any], schema: Mapping[str, Any]) -> None:
    names = schema.get("propertyNames")
    if names is False or (isinstance(names, dict) and _LIMITS_TEXT & names.keys()):
        return
    rest = _word_for_the_rest(schema, "additionalProperties", "unevaluatedProperties")
    if rest and schema[rest] is False and not schema.get("patternProperties"):
        return
    guard: dict[str, Any] = {"pattern": HARMLESS_TEXT}
    if odd := [name for name in schema.get("properties", ()) if not re.search(HARMLESS_TEXT, name)]:
        guard = {"anyOf": [guard, {"enum": odd}]}
    _add(result, {"propertyNames": guard})


def _add(schema: dict[str, Any], condition: dict[str, Any]) -> None:
    schema["allOf"] = [*schema.get("allOf", ()), condition]
