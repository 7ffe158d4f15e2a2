"""
A streamed delivery: all stages run at the same time. Rows are formatted, encoded, encrypted and sent as they arrive.

Nothing readable is stored on a disk, memory use is constant, and the slowest stage determines the speed. No file gets
its final name before all rows have been read and checked.
"""

from __future__ import annotations

import itertools
import logging
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from persado.pipeline.encode.encode import Encoder
from persado.pipeline.extract.engines import formatted_text
from persado.pipeline.flow import Flow, flow
from persado.pipeline.format.split import Block
from persado.pipeline.recipe import OnProgress, Recipe
from persado.pipeline.rows.row_spec import RowSpec
from persado.pipeline.site.errors import ConnectionLostError
from persado.pipeline.site.reconnect import ATTEMPTS, pause_before_retry
from persado.pipeline.stage.artifact import Artifact, Sink
from persado.pipeline.stage.spool import spool
from persado.pipeline.upload.streaming import StreamUpload

GRACE = 3.0
"""Seconds that a cancelled delivery has to clean up at the site; Airflow kills the task after five."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Streamed:
    """
    What was delivered.

    :param artifacts: the files at the site
    :param rows: the number of rows in them
    :param read_by: how the rows were read
    """

    artifacts: tuple[Artifact, ...]
    rows: int
    read_by: str


Source = Callable[[], AbstractContextManager[Any]]
"""Opens a DB-API connection, closed at the end."""


def deliver(
    source: Source,
    sql: str,
    row_spec: RowSpec,
    recipe: Recipe,
    site: StreamUpload,
    check_rows: Callable[[int], None],
    on_progress: OnProgress,
) -> Streamed:
    """
    Run a query and send its rows. On return, all files are complete and have their final names.

    If the connection to the site is lost, start over from the query: gpg never writes the same message twice.

    :param sql: one statement that returns rows
    :param check_rows: called with the number of rows when all of them are read; raises an error to stop the delivery
    :raises PersadoError: the first error of any stage; no file has got its final name
    """
    lost = 0
    try:
        while True:
            # Find out what the site refuses before the query runs.
            site.begin(site.plan.remote_path(recipe.names.first()))
            try:
                done = _stream(source, sql, row_spec, recipe, site, check_rows, on_progress)
                break
            except ConnectionLostError as error:
                lost += 1
                if lost == ATTEMPTS:
                    raise
                pause_before_retry(lost, error, "Starting over from the query in %.1f seconds")
        site.publish()
    except BaseException:
        site.remove()
        raise
    return done


def _stream(
    source: Source,
    sql: str,
    row_spec: RowSpec,
    recipe: Recipe,
    site: StreamUpload,
    check_rows: Callable[[int], None],
    on_progress: OnProgress,
) -> Streamed:
    """Send all files under temporary names."""
    reading = threading.get_ident()
    with source() as connection:

        def stopped(error: BaseException) -> None:
            if not isinstance(error, Exception):
                site.close_in(GRACE)
            if threading.get_ident() != reading:
                _interrupt(connection)

        with flow(stopped) as stages, formatted_text(connection, sql, row_spec, recipe.settings) as text:
            # Read the first rows before a file is created at the site, so that the site does not have to wait.
            blocks = itertools.chain([*itertools.islice(text.blocks, 2)], text.blocks)
            artifacts = tuple(_files(blocks, recipe, site, stages, on_progress))
            rows = sum(artifact.rows for artifact in artifacts)
            check_rows(rows)
            return Streamed(artifacts, rows, text.read_by)


def _files(
    blocks: Iterable[Block], recipe: Recipe, site: StreamUpload, stages: Flow, on_progress: OnProgress
) -> Iterator[Artifact]:
    """Send each part as a file, or all of them in one archive."""
    names = recipe.names
    parts = ((names.formatted(part), group) for part, group in itertools.groupby(blocks, key=itemgetter(0)))
    files: Iterable[tuple[str, Iterable[tuple[str, Iterable[Block]]]]]
    files = [(names.archive(), parts)] if names.one_archive else ((part[0], [part]) for part in parts)
    for file, members in files:
        name = names.sent(file)
        path, rows = site.plan.remote_path(name), 0
        with site.file(path, stages) as sink, recipe.make(sink, stages) as encoder:
            for member, group in members:
                rows += _member(encoder, names.member(member), group, recipe, stages, on_progress)
        yield Artifact(uri=path, name=name, rows=rows, bytes=sink.bytes, sha256=sink.sha256)


def _member(
    encoder: Encoder, name: str, blocks: Iterable[Block], recipe: Recipe, stages: Flow, on_progress: OnProgress
) -> int:
    """Write the text of a file or a part in another thread than the one that reads the rows. Return the row count."""
    rows = 0
    with ExitStack() as stack:
        if recipe.format.needs_sizes:
            _LOG.info(
                "%s: a tar file stores the size of a member before its content, so this text is first written to an "
                "unnamed file in %s, encrypted with a key that exists only in the memory of this process",
                name,
                tempfile.gettempdir(),
            )
            text = stack.enter_context(spool())
            rows = _pour(blocks, text, on_progress)
            target = stack.enter_context(stages.in_thread(stack.enter_context(encoder.member(name, text.size))))
            for block in text.blocks():
                target.write(block)
        else:
            target = stack.enter_context(stages.in_thread(stack.enter_context(encoder.member(name))))
            rows = _pour(blocks, target, on_progress)
    return rows


def _pour(blocks: Iterable[Block], target: Sink, on_progress: OnProgress) -> int:
    rows = 0
    for _, count, text in blocks:
        target.write(text)
        rows += count
        on_progress(count, len(text))
    return rows


def _interrupt(connection: Any) -> None:
    """Cancel the query that another thread waits for, if the driver can."""
    cancel = getattr(connection, "interrupt", None) or getattr(connection, "cancel", None)
    with suppress(Exception):
        if cancel is not None:
            cancel()
