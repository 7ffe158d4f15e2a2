"""Generate the Markdown reference of every key and setting from the models."""

from __future__ import annotations

from collections.abc import Iterator

from persado.settings.files.json_schema import MODELS, Schema, branches, json_schema, values
from persado.settings.text.yaml_text import as_yaml

_INTRODUCTION = """\
# Settings reference

Every key of the YAML files in `include/persado/`. `python -m persado reference` generates this page from the models.

A file's stem is its name. Unknown keys are refused. Settings are inherited key by key: destination, then data template,
then orchestration. The nearest one counts, even if it is `null`. `python -m persado show ORCHESTRATION` prints the
effective value of each setting and where it comes from.
"""

_FILES = {
    "destination": ("Destination", "`destinations/<name>.yaml`: a site, the connection to it and default settings."),
    "data_template": ("Data template", "`data_templates/<name>.yaml`: which columns are sent, and how."),
    "orchestration": (
        "Orchestration",
        "`orchestrations/<name>.yaml`: one query, sent through one data template. The name is the DAG's id.",
    ),
    "contract": (
        "Contract",
        "`contracts/<name>.yaml`: a column contract of your own, for a data template's `contract`.",
    ),
}

# These models are described once for all keys that hold them.
_SHARED = {
    "SettingsLayer": ("Settings", "the keys under `settings:` of a destination or a data template"),
    "OrchestrationSettings": ("Settings", "`filename_template`, `line_ending` and `quote_mode`, as under"),
    "Access": ("Access", "the keys under `access:`"),
}


def reference() -> str:
    """Return the reference."""
    return "\n".join([_INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    for kind, (title, introduction) in _FILES.items():
        root = json_schema(MODELS[kind])
        yield f"## {title}\n\n{introduction}\n"
        yield from _keys(root, root, "")
    root = json_schema(MODELS["destination"])
    layer, access = root["$defs"]["SettingsLayer"], root["$defs"]["Access"]
    shared = json_schema(MODELS["orchestration"])["$defs"]["OrchestrationSettings"]["properties"]
    own = ", ".join(f"`{key}`" for key in shared)
    yield f"## Settings\n\nAn orchestration may set {own}; the other levels may set all of them.\n"
    yield from _keys(root, layer, "")
    yield "## Access\n\nBoth the destination and the data template must allow it.\n"
    yield from _keys(root, access, "")


def _keys(root: Schema, model: Schema, prefix: str) -> Iterator[str]:
    for key, node in model["properties"].items():
        name = f"{prefix}{key}"
        yield _entry(root, node, name, required=key in model.get("required", ()))
        for branch in branches(root, node):
            items = branch.get("items")
            for held in branches(root, items) if items else [branch]:
                if "properties" in held and held["title"] not in _SHARED:
                    yield from _keys(root, held, f"{name}[]." if items else f"{name}.")


def _entry(root: Schema, node: Schema, name: str, *, required: bool) -> str:
    examples = [f"`{name.rpartition('.')[2]}: {as_yaml(example)}`" for example in node.get("examples", ())]
    return "\n".join(
        [
            f"### `{name}`\n",
            f"{node['description']}\n",
            f"* Values: {', '.join(text for branch in branches(root, node) for text in _values(branch))}",
            f"* Default: {_default(node, required=required)}",
            f"* Example: {' or '.join(examples)}\n",
        ]
    )


def _values(branch: Schema) -> list[str]:
    if branch.get("title") in _SHARED:
        title, what = _SHARED[branch["title"]]
        return [f"{what}: see [{title}](#{title.lower()})"]
    codes = "enum" in branch or "const" in branch or "properties" in branch or branch.get("type") == "null"
    return [f"`{text}`" if codes else text for text in values([branch])]


def _default(node: Schema, *, required: bool) -> str:
    if required:
        return "none; the key is required"
    if "default" not in node:
        return "nothing set"
    return f"`{as_yaml(node['default'])}`"
