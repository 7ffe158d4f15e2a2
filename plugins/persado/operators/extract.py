"""The first stage: runs the query."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from jinja2 import TemplateError

from persado.connections.keys import checked_keys
from persado.connections.options import config_dir, stage_root
from persado.connections.source import open_source
from persado.errors import RejectedError
from persado.hooks import PersadoHook
from persado.ledger.writer import Ledger
from persado.operators.progress import Progress
from persado.operators.run_params import for_templates, refuse_misspelt
from persado.operators.stage import PersadoStageOperator
from persado.operators.task import new_delivery_id
from persado.operators.upstream import skip_unless_changed
from persado.pipeline import chained
from persado.pipeline.encrypt.public_key import PublicKey
from persado.pipeline.encrypt.signing_key import SigningKey
from persado.pipeline.names import Names
from persado.pipeline.rows.guards import check_change, check_rows
from persado.pipeline.rows.row_spec import RowSpec
from persado.pipeline.stage.area import StageArea
from persado.pipeline.stage.artifact import Artifact
from persado.pipeline.stage.receipt import StageResult
from persado.preview.dry_run import skip_if_dry_run
from persado.preview.rendering import cannot_render
from persado.settings import Access, ChangeGuard, Column, Contract, RowGuards
from persado.settings.filenames.template import NameValues
from persado.settings.models.setting_values import OnEmpty

if TYPE_CHECKING:
    from airflow.sdk import Context
    from jinja2 import Environment


@dataclass(frozen=True)
class Prepared:
    """A delivery before its query runs: its id, the values of the file name placeholders, the keys and warnings."""

    delivery_id: str
    values: NameValues
    key: PublicKey | None
    signing: SigningKey | None
    warnings: tuple[str, ...]

    def result(
        self, sql: str, artifacts: tuple[Artifact, ...], read_by: str, warnings: tuple[str, ...], **more: Any
    ) -> StageResult:
        """Return the result of the first stage."""
        return StageResult(
            delivery_id=self.delivery_id,
            values=self.values,
            rows=sum(artifact.rows for artifact in artifacts),
            artifacts=artifacts,
            read_by=read_by,
            query_sha256=hashlib.sha256(sql.encode()).hexdigest(),
            warnings=(*self.warnings, *warnings),
            **more,
        )


class PersadoExtractOperator(PersadoStageOperator):
    """
    Run the query and write the selected columns of its rows to the stage area.

    ::

        PersadoExtractOperator(
            task_id="extract",
            sql="segment.sql",
            conn_id="warehouse",
            columns=[{"name": "id"}, {"name": "birth_dt", "from": "birthdate", "pii": True}],
            settings={"filename_template": "segment.csv", "remote_folder": "/inbox"},
        )

    File names, the transform and the keys are checked before the query runs, so that a mistake in them fails early.

    :param sql: the query, or the name of a ``.sql`` file (templated)
    :param conn_id: Airflow connection of the warehouse (templated)
    :param columns: the columns to send and their headers; None sends every column unchanged
    :param transform: a Python function, ``module:function``, that is called with each batch as a pandas DataFrame
    :param transform_folder: the folder of its module, relative to the working directory; None is ``include``
    :param contract: the columns and values that the receiver requires
    :param rows: limits for the number of rows
    :param change: limits for the change in the number of rows since the last delivery in the ledger of ``asset``
    :param on_empty: what to do with an empty result: ``fail``, ``skip`` the run, or ``send`` a file without rows
    :param orchestration: the name to use in file names and receipts (templated)
    :param campaign_name: the value of ``{{campaign_name}}`` in file names
    :param group_name: the value of ``{{group_name}}`` in file names
    :param keys_folder: the folder of key files; None is ``keys`` in ``[persado] config_dir``
    :param only_if_changed: names or URIs of upstream assets; a scheduled run is skipped unless at least one of them
        changed since the last delivery of ``asset``
    :param origins: for each setting, where its value was set; shown in previews
    :param persado_conn_id: Airflow connection of the site; shown in previews
    :param access: who may send; a run started by anybody else is refused. None leaves this check to the gate
    :param pii: whether the rows may hold personal data; if so, a run of unknown origin is refused as well
    """

    template_fields: Sequence[str] = ("sql", "conn_id", "orchestration")
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}
    stage = "extract"

    def __init__(
        self,
        *,
        sql: str,
        conn_id: str,
        columns: Sequence[Column | dict[str, Any]] | None = None,
        transform: str | None = None,
        transform_folder: str | Path | None = None,
        contract: Contract | dict[str, Any] | None = None,
        rows: RowGuards | dict[str, Any] | None = None,
        change: ChangeGuard | dict[str, Any] | None = None,
        on_empty: OnEmpty = "fail",
        orchestration: str = "{{ dag.dag_id }}",
        campaign_name: str | None = None,
        group_name: str | None = None,
        keys_folder: str | Path | None = None,
        only_if_changed: Sequence[str] = (),
        origins: Mapping[str, str] | None = None,
        persado_conn_id: str = PersadoHook.default_conn_name,
        access: Access | dict[str, Any] | None = None,
        pii: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.access = None if access is None else Access.model_validate(access)
        self.pii = pii
        self.only_if_changed = tuple(only_if_changed)
        self.sql = sql
        self.conn_id = conn_id
        self.row_spec = RowSpec(
            columns=None if columns is None else tuple(Column.model_validate(column) for column in columns),
            transform=transform,
            transform_folder=Path(transform_folder or "include"),
            contract=None if contract is None else Contract.model_validate(contract),
        )
        self.rows = RowGuards.model_validate(rows or {})
        self.change = None if change is None else ChangeGuard.model_validate(change)
        self.on_empty = on_empty
        self.orchestration = orchestration
        self.campaign_name = campaign_name
        self.group_name = group_name
        self.keys_folder = Path(keys_folder) if keys_folder else None
        self.origins = origins or {}
        self.persado_conn_id = persado_conn_id
        self._query_name = sql if sql.endswith(".sql") else "the query"

    def render_template_fields(self, context: Context, jinja_env: Environment | None = None) -> None:
        """Render the query and the other fields; fail without retries if a template cannot be rendered."""
        try:
            super().render_template_fields(for_templates(context), jinja_env)
        except TemplateError as error:
            problem = cannot_render(self._query_name, error)
        else:
            return
        self.fail(context, problem)

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the stage; in a dry run, log the preview and skip the rest of the run instead."""
        if self.access is not None:
            self.refuse_unauthorised(context, self.access, pii=self.pii, unknown_may=not self.pii)
        try:
            refuse_misspelt(context)
        except RejectedError as error:
            self.fail(context, error)
        skip_if_dry_run(self, context)
        return super().execute(context)

    def run_stage(self, context: Context, progress: Progress) -> StageResult:
        """Run all checks, run the query, and check the number of rows."""
        prepared = self.prepare(context, progress)
        area = StageArea(stage_root(), prepared.delivery_id)
        area.sweep()
        with open_source(self.conn_id) as connection:
            artifact, read_by = chained.extract_stage(
                area, connection, self.sql, self.row_spec, self.settings, progress.add
            )
        warnings = self.check_row_count(context, artifact.rows)
        return prepared.result(self.sql, (artifact,), read_by, warnings)

    def prepare(self, context: Context, progress: Progress) -> Prepared:
        """Check file names, transform and keys before the query runs."""
        skip_unless_changed(context, self.asset, self.only_if_changed, self.log)
        values = self.name_values(context)
        Names(self.settings, values).check()
        self.row_spec.check()
        keys_folder = self.keys_folder or config_dir() / "keys"
        key, signing, warnings = checked_keys(self.settings, keys_folder, progress.started)
        for text in warnings:
            self.log.warning("%s", text)
        return Prepared(new_delivery_id(context), values, key, signing, warnings)

    def check_row_count(self, context: Context, rows: int) -> tuple[str, ...]:
        """Check the number of rows against the guards; return the warnings."""
        warnings = check_rows(rows, self.rows, self.on_empty)
        if self.change is not None and self.asset is not None:
            warnings += check_change(rows, Ledger(context, self.asset).last_rows(), self.change)
        for text in warnings:
            self.log.warning("%s", text)
        return warnings

    def name_values(self, context: Context) -> NameValues:
        """Return the values of the file name placeholders."""
        run = context["dag_run"]
        return NameValues(
            # The start of the run, unlike that of a task, is the same for every try.
            now=(run.start_date or run.run_after).astimezone(UTC),
            orchestration=self.orchestration,
            run_id=run.run_id,
            data_interval_start=run.data_interval_start,
            data_interval_end=run.data_interval_end,
            logical_date=run.logical_date,
            campaign_name=self.campaign_name,
            group_name=self.group_name,
        )
