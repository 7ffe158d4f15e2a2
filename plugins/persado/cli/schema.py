"""``python -m persado schema``: write JSON Schemas that let editors check and complete the YAML files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from persado.cli.config_dir import config_dir
from persado.errors import ConfigurationError
from persado.settings.files.json_schema import MODELS, json_schema


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("schema", help="write the JSON Schemas of the YAML files")
    parser.add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        type=Path,
        help="output folder (default: schema/ in the configuration folder)",
    )
    parser.set_defaults(run=run, config_dir=None)


def run(arguments: argparse.Namespace) -> int:
    """
    Write one schema for each kind of file, and print the paths.

    :raises ConfigurationError: if a schema cannot be written
    """
    folder: Path = arguments.folder or config_dir(arguments) / "schema"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, model in MODELS.items():
            file = folder / f"{name}.schema.json"
            file.write_text(json.dumps(json_schema(model), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            print(file)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be written: {error.strerror}. Choose another folder.") from None
    return 0
