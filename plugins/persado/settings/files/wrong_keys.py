"""Unknown and missing keys of a file."""

from __future__ import annotations

from collections.abc import Sequence

from persado.errors import ConfigurationError
from persado.settings.files.json_schema import MODELS, Schema, json_schema, nodes_at
from persado.settings.text.problems import at, dotted
from persado.settings.text.spelling import closest
from persado.settings.text.yaml_text import Path, Source, as_yaml

_LONGEST_SHOWN = 60
_KINDS = {"data_template": "a data template", "destination": "a destination", "orchestration": "an orchestration"}


def wrong_keys(
    unknown: Sequence[Path], missing: Sequence[Path], source: Source, schema: Schema
) -> dict[Path, ConfigurationError]:
    """
    Return one error for each mistake. A key that is misspelt does not count as missing as well.

    :param unknown: the paths of keys that the model does not know
    :param missing: the paths of keys that it requires
    """
    meant = {path: _meant(path, unknown, missing, schema) for path in unknown}
    return {
        **{path: _unknown(path, guess, source, schema) for path, guess in meant.items()},
        **{path: _missing(path, source, schema) for path in missing if path not in meant.values()},
    }


def _known(schema: Schema, parent: Path) -> list[str]:
    return list(dict.fromkeys(key for node in nodes_at(schema, parent) for key in node.get("properties", ())))


def _meant(path: Path, unknown: Sequence[Path], missing: Sequence[Path], schema: Schema) -> Path | None:
    """Guess which key an unknown one stands for."""
    *parent, key = path
    if near := closest(str(key), _known(schema, (*parent,))):
        return (*parent, near)
    # If one key is missing and one is unknown, such as `cron` for `schedule`, take one for the other.
    beside = [[other for other in paths if other[:-1] == path[:-1]] for paths in (missing, unknown)]
    return beside[0][0] if parent and [len(paths) for paths in beside] == [1, 1] else None


def _unknown(path: Path, meant: Path | None, source: Source, schema: Schema) -> ConfigurationError:
    *parent, key = path
    known = _known(schema, (*parent,))
    message = _belongs_elsewhere(str(key), (*parent,), schema)
    if message is None:
        shown = str(key) if len(str(key)) <= _LONGEST_SHOWN else f"{str(key)[:_LONGEST_SHOWN]}…"
        guess = f" Did you mean '{meant[-1]}'?" if meant else ""
        message = f"unknown key {shown!r}.{guess} Known keys: {', '.join(known)}."
    return ConfigurationError(f"{source.file}:{source.line(path)}: {dotted((*parent,))}{message}")


def _belongs_elsewhere(key: str, parent: Path, schema: Schema) -> str | None:
    """Return where a correctly spelt key belongs if it is in the wrong place."""
    if parent == ("settings",) and key in _known(json_schema(MODELS["destination"]), parent):
        own = ", ".join(_known(schema, parent))
        return f"{key!r} is set by the destination or the data template; an orchestration sets {own} only."
    if parent == ("settings",) and key in _known(schema, ()):
        return f"{key!r} is not a setting. Move it out of 'settings:', to the left margin."
    if parent == () and key in _known(schema, ("settings",)):
        return f"{key!r} is a setting. Move it under 'settings:'."
    for kind in _KINDS if parent == () else ():
        if key in _known(json_schema(MODELS[kind]), ()):
            return f"{key!r} is not a key of this file, but of {_KINDS[kind]}. Move it there."
    return None


def _missing(path: Path, source: Source, schema: Schema) -> ConfigurationError:
    example = next(example for node in nodes_at(schema, path) for example in node["examples"])
    return at(source, path[:-1], f"missing key '{path[-1]}'. Add it, as in '{path[-1]}: {as_yaml(example)}'.")
