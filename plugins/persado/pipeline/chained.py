"""The stages of a chained delivery. Each reads files from the stage area and writes files to it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, BinaryIO

from persado.pipeline.extract.engines import FormattedText, extract, formatted_directly
from persado.pipeline.format.delimited import header
from persado.pipeline.format.split import parts
from persado.pipeline.recipe import OnProgress, Recipe
from persado.pipeline.rows.row_spec import RowSpec, apply_row_spec
from persado.pipeline.stage.area import StageArea
from persado.pipeline.stage.arrow_file import ArrowWriter, read_batches
from persado.pipeline.stage.artifact import Artifact
from persado.settings.models.effective import Settings

BLOCK = 1 << 20

_TEXT = "extract-text"


def extract_stage(
    area: StageArea,
    connection: Any,
    sql: str,
    row_spec: RowSpec,
    settings: Settings,
    on_progress: OnProgress,
) -> tuple[Artifact, str]:
    """
    Run the query and store the rows to send.

    They are stored as text if the engine delivers text, otherwise in Arrow's format.

    :return: the file, and how the rows were read
    """
    if settings.split is None:
        with formatted_directly(connection, sql, row_spec, settings) as text:
            if text is not None:
                return _store_text(area, text, on_progress), text.read_by
    with extract(connection, sql, nan_text=settings.nan_text) as result, area.create("extract") as sink:
        headers, batches = apply_row_spec(result, row_spec)
        header(headers, settings)  # raises its errors before all the rows are read
        writer = ArrowWriter(sink, headers)
        rows = before = 0
        for batch in batches:
            writer.write(batch)
            rows += batch.num_rows
            on_progress(batch.num_rows, sink.bytes - before)
            before = sink.bytes
        writer.close()
    return area.artifact("extract", sink, name="", rows=rows), result.path


def _store_text(area: StageArea, text: FormattedText, on_progress: OnProgress) -> Artifact:
    rows = 0
    with area.create(_TEXT) as sink:
        for _, count, block in text.blocks:
            sink.write(block)
            rows += count
            on_progress(count, len(block))
    return area.artifact(_TEXT, sink, name="", rows=rows)


def format_stage(area: StageArea, extracted: Artifact, recipe: Recipe, on_progress: OnProgress) -> tuple[Artifact, ...]:
    """Write the rows as delimited text: one file, or the parts of a split output."""
    names = recipe.names
    if extracted.uri.endswith(f"/{_TEXT}"):
        return (extracted.model_copy(update={"name": names.formatted(1)}),)
    artifacts = []
    with area.open(extracted) as source:
        columns, batches = read_batches(source)
        for part, blocks in itertools.groupby(parts(batches, columns, recipe.settings), key=itemgetter(0)):
            rows = 0
            with area.create(file := f"format-{part:07d}") as sink:
                for _, count, text in blocks:
                    sink.write(text)
                    rows += count
                    on_progress(count, len(text))
            artifacts.append(area.artifact(file, sink, name=names.formatted(part), rows=rows))
    return tuple(artifacts)


def encode_stage(
    area: StageArea, formatted: Sequence[Artifact], recipe: Recipe, on_progress: OnProgress
) -> tuple[Artifact, ...]:
    """Encode each file, or put all of them into one archive."""
    names = recipe.names
    groups = [(names.archive(), formatted)] if names.one_archive else [(file.name, [file]) for file in formatted]
    artifacts = []
    for number, (name, members) in enumerate(groups, 1):
        with area.create(file := f"encode-{number:07d}") as sink, recipe.encode(sink) as archive:
            for member in members:
                with archive.member(names.member(member.name), member.bytes) as target:
                    _copy(area, member, target, on_progress)
        artifacts.append(area.artifact(file, sink, name=name, rows=sum(member.rows for member in members)))
    return tuple(artifacts)


def encrypt_stage(
    area: StageArea, encoded: Sequence[Artifact], recipe: Recipe, on_progress: OnProgress
) -> tuple[Artifact, ...]:
    """Encrypt each file to the receiver's key."""
    artifacts = []
    for number, clear in enumerate(encoded, 1):
        with area.create(file := f"encrypt-{number:07d}") as sink, recipe.encrypt(sink) as target:
            _copy(area, clear, target, on_progress)
        artifacts.append(area.artifact(file, sink, name=recipe.names.sent(clear.name), rows=clear.rows))
    return tuple(artifacts)


def _copy(area: StageArea, artifact: Artifact, target: BinaryIO, on_progress: OnProgress) -> None:
    with area.open(artifact) as source:
        while block := source.read(BLOCK):
            target.write(block)
            on_progress(0, len(block))
    on_progress(artifact.rows, 0)
