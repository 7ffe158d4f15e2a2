"""Check that the parts of a delivery fit together, and that the files they name exist."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from persado.errors import ConfigurationError
from persado.settings.checks.sql_template import template_mistake
from persado.settings.checks.transform_file import find_module, missing_module
from persado.settings.delivery import Delivery
from persado.settings.filenames.template import FilenameTemplate
from persado.settings.files.folder import is_missing, read_text
from persado.settings.text.problems import at
from persado.settings.text.spelling import did_you_mean
from persado.settings.text.yaml_text import Source


def mistakes(delivery: Delivery, orchestration: Source, data_template: Source) -> Iterator[ConfigurationError]:
    """Yield the mistakes of a delivery."""
    yield from _query(delivery, orchestration)
    yield from _public_key(delivery)
    yield from _campaign(delivery)
    yield from _columns(delivery, data_template)
    yield from _transform(delivery, data_template)
    yield from _loop(delivery, orchestration)


def _query(delivery: Delivery, source: Source) -> Iterator[ConfigurationError]:
    name = delivery.orchestration.query
    if is_missing(delivery.query_file):
        guess = _similar_file(delivery.config_dir / "queries", name)
        yield at(source, ("query",), f"there is no file queries/{name}.{guess} Add it, or correct the name.")
        return
    try:
        text = read_text(delivery.query_file, f"queries/{name}")
        if not text.strip():
            yield ConfigurationError(f"queries/{name}:1: is empty. Write the query.")
        elif wrong := template_mistake(text):
            line, problem = wrong
            yield ConfigurationError(
                f"queries/{name}:{line}: is not a valid Jinja template: {problem}. Fix it. Put literal braces"
                " between {% raw %} and {% endraw %}."
            )
    except ConfigurationError as error:
        yield error


def _public_key(delivery: Delivery) -> Iterator[ConfigurationError]:
    path = delivery.public_key_file
    if path is not None and is_missing(path):
        yield ConfigurationError(
            f"{delivery.origins['pgp_public_key']}: settings.pgp_public_key: there is no file keys/{path.name}."
            f"{_similar_file(path.parent, path.name)} Save the receiver's public key there."
        )


def _similar_file(folder: Path, name: str) -> str:
    try:
        return did_you_mean(name, [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()])
    except OSError:
        return ""


def _campaign(delivery: Delivery) -> Iterator[ConfigurationError]:
    used = ["split_filename_template", "split_directory_template"] if delivery.settings.split else []
    for key in ("filename_template", *used):
        template = FilenameTemplate.parse(getattr(delivery.settings, key) or "x", allow_file_number=True)
        for token in ("campaign_name", "group_name"):
            if token in template.tokens and getattr(delivery.orchestration, token) is None:
                yield ConfigurationError(
                    f"{delivery.origins[key]}: settings.{key}: holds {{{{{token}}}}}, but orchestrations/"
                    f"{delivery.name}.yaml has no {token}. Add it there, or remove it from the template."
                )


def _columns(delivery: Delivery, source: Source) -> Iterator[ConfigurationError]:
    columns = delivery.data_template.columns
    if columns is None:
        return
    names = [column.name for column in columns]
    if delivery.settings.row_number in names:
        yield ConfigurationError(
            f"{delivery.origins['row_number']}: settings.row_number: {delivery.settings.row_number!r} is also a column"
            f" in {source.file}. Choose another name."
        )
    for wanted in delivery.contract.columns if delivery.contract else ():
        if wanted.required and wanted.name not in names:
            yield at(
                source,
                ("columns",),
                f"the contract {delivery.data_template.contract} requires the column {wanted.name!r}, which is not"
                f" listed.{did_you_mean(wanted.name, names)} Add it.",
            )


def _transform(delivery: Delivery, source: Source) -> Iterator[ConfigurationError]:
    module, _, _ = (delivery.data_template.transform or "").partition(":")
    if module and find_module(module, delivery.config_dir.parent) is None:
        message = f"{missing_module(module, delivery.config_dir.parent)}. Add it, or correct the name."
        yield at(source, ("transform",), message)


def _loop(delivery: Delivery, source: Source) -> Iterator[ConfigurationError]:
    workflow = delivery.orchestration.workflow
    for key in ("when_changed", "only_if_changed"):
        assets = getattr(workflow, key, ())
        if delivery.asset in assets:
            message = "waits for the orchestration's own deliveries. Name what it depends on instead."
            yield at(source, ("workflow", key, assets.index(delivery.asset)), message)
