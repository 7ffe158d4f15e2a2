"""The files generated from the models are current and correct."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # has no stubs
import pytest
import yaml
from pydantic import BaseModel, TypeAdapter
from support.paths import REPO

from persado.settings import (
    Access,
    AirflowConnection,
    AirflowVariable,
    ChangeGuard,
    Column,
    Contract,
    ContractColumn,
    DataTemplate,
    Destination,
    Orchestration,
    RowGuards,
    Scheduled,
    Settings,
    SettingsLayer,
    Split,
    WhenChanged,
)
from persado.settings.files.json_schema import MODELS, json_schema
from persado.settings.models.contract import BUILT_IN
from persado.settings.reference import reference

EXAMPLE = REPO / "include" / "persado"
MODEL_CLASSES: list[type[BaseModel]] = [
    Access, AirflowConnection, AirflowVariable, ChangeGuard, Column, Contract, ContractColumn, DataTemplate,
    Destination, Orchestration, RowGuards, Scheduled, SettingsLayer, Split, WhenChanged,
]  # fmt: skip
FOLDERS = {
    "destinations": "destination",
    "data_templates": "data_template",
    "orchestrations": "orchestration",
    "contracts": "contract",
}


def test_the_reference_is_current() -> None:
    """If this fails, run: python -m persado reference > docs/settings.md."""
    assert (REPO / "docs" / "settings.md").read_text() == reference()


@pytest.mark.parametrize("kind", MODELS)
def test_the_schemas_are_current(kind: str) -> None:
    """If this fails, run: python -m persado schema."""
    assert json.loads((EXAMPLE / "schema" / f"{kind}.schema.json").read_text()) == json_schema(MODELS[kind])


@pytest.mark.parametrize("kind", MODELS)
def test_the_schemas_are_valid(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(MODELS[kind]))


def files() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted((EXAMPLE / folder).glob("*.yaml"))
    yield from sorted(BUILT_IN.glob("*.yaml"))


@pytest.mark.parametrize("file", list(files()), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_examples_match_the_schemas(file: Path) -> None:
    jsonschema.validate(yaml.safe_load(file.read_text()), json_schema(MODELS[FOLDERS[file.parent.name]]))


@pytest.mark.parametrize("file", list(EXAMPLE.glob("*/*.yaml")), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_the_examples_refer_to_their_schemas(file: Path) -> None:
    first_line = file.read_text().partition("\n")[0]

    assert first_line == f"# yaml-language-server: $schema=../schema/{FOLDERS[file.parent.name]}.schema.json"


def fields() -> Iterator[tuple[type[BaseModel], str]]:
    for model in MODEL_CLASSES:
        for name in model.model_fields:
            yield model, name


@pytest.mark.parametrize(("model", "name"), list(fields()), ids=str)
def test_every_key_has_a_description_and_valid_examples(model: type[BaseModel], name: str) -> None:
    field = model.model_fields[name]
    checker: TypeAdapter[Any] = TypeAdapter(model.__pydantic_fields__[name].rebuild_annotation())

    assert field.description
    assert field.description.endswith((".", "`"))
    assert field.examples
    for example in field.examples:
        # Examples are written in JSON, where a date is a string.
        checker.validate_json(json.dumps(example))


def test_the_reference_has_every_setting() -> None:
    text = reference()

    for key in Settings.model_fields:
        assert text.count(f"\n### `{key}`\n") == 1, key
