"""Dry runs: the first task that reads data logs a preview, and all later tasks are skipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException

from persado.connections.keys import checked_keys
from persado.connections.options import config_dir
from persado.connections.source import open_source
from persado.errors import PersadoError, RejectedError
from persado.ledger.writer import Ledger
from persado.pipeline.names import Names
from persado.pipeline.preview import ROWS, Preview, collecting_problems, preview
from persado.pipeline.rows.guards import EmptyResult, check_change, check_rows
from persado.pipeline.rows.row_spec import RowSpec
from persado.preview.text import preview_text
from persado.settings import ChangeGuard, RowGuards, Settings
from persado.settings.filenames.template import NameValues
from persado.settings.models.setting_values import OnEmpty

if TYPE_CHECKING:
    from airflow.sdk import Context


class FirstTask(Protocol):
    """The attributes of the task that runs the query, as far as a preview needs them."""

    sql: str
    conn_id: str
    row_spec: RowSpec
    settings: Settings
    rows: RowGuards
    change: ChangeGuard | None
    on_empty: OnEmpty
    asset: Asset | None
    keys_folder: Path | None
    orchestration: str
    origins: Mapping[str, str]
    persado_conn_id: str

    @property
    def log(self) -> Any:
        """Return the task's logger."""

    def name_values(self, context: Context) -> NameValues:
        """Return the values of the file name placeholders."""


def skip_if_dry_run(task: FirstTask, context: Context) -> None:
    """
    In a dry run, log the preview and skip the rest of the run; otherwise do nothing.

    Nothing is written to the stage area or the ledger.

    :param task: the task that runs the query, with rendered templates
    :raises AirflowSkipException: in a dry run, so that all later tasks are skipped
    :raises PersadoError: in a dry run, if the delivery would fail
    """
    params = context["params"]
    if not params.get("dry_run"):
        return
    try:
        found = make_preview(task, context, count=bool(params.get("count_rows")), last_rows=_last_rows(task, context))
    except PersadoError as error:
        raise error.bare() from None
    for line in as_text(task, found).splitlines():
        task.log.info("%s", line)
    if found.problems:
        raise RejectedError(f"dry run, nothing was sent. This delivery would fail: {'; '.join(found.problems)}")
    raise AirflowSkipException("dry run: nothing is sent; the preview is in this task's log")


def make_preview(
    task: FirstTask, context: Context, *, rows: int = ROWS, count: bool = False, last_rows: int | None = None
) -> Preview:
    """
    Return the preview of a run.

    :param task: the task that runs the query, with rendered templates
    :param rows: number of rows to show
    :param count: whether to count all rows
    :param last_rows: number of rows of the last delivery, for the guard ``change``
    :raises ConfigurationError: if the source does not exist, or the database rejects the query
    :raises TransientError: if the database is unreachable or busy
    """
    problems: list[str] = []
    warnings: list[str] = []
    with collecting_problems(problems):
        warnings += checked_keys(task.settings, task.keys_folder or config_dir() / "keys", datetime.now(UTC))[2]
    with open_source(task.conn_id) as connection:
        names = Names(task.settings, task.name_values(context))
        found = preview(connection, task.sql, names, task.row_spec, rows=rows, count=count)
    # With a transform, the number of rows is unknown until all of them are transformed.
    if found.total is not None and not task.row_spec.transform:
        try:
            with collecting_problems(problems):
                warnings += check_rows(found.total, task.rows, task.on_empty)
                if task.change:
                    warnings += check_change(found.total, last_rows, task.change)
        except EmptyResult as outcome:
            warnings.append(str(outcome))
    return replace(found, warnings=tuple(warnings), problems=(*problems, *found.problems))


def as_text(task: FirstTask, found: Preview) -> str:
    """Return a preview of a task as text."""
    return preview_text(
        found,
        orchestration=task.orchestration,
        connection=task.persado_conn_id,
        settings=task.settings,
        origins=task.origins,
    )


def _last_rows(task: FirstTask, context: Context) -> int | None:
    return Ledger(context, task.asset).last_rows() if task.change and task.asset else None
