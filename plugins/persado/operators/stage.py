"""
The stages of a delivery as Airflow operators.

They are what the DAGs of the orchestrations are made of, and can be used in a hand-written DAG::

    settings = {"filename_template": "segment.csv.gz", "encoding": "gzip", "remote_folder": "/inbox"}
    extract = PersadoExtractOperator(task_id="extract", sql="segment.sql", conn_id="warehouse", settings=settings)
    format_ = PersadoFormatOperator(task_id="format", previous=extract.output, settings=settings)
    encode = PersadoEncodeOperator(task_id="encode", previous=format_.output, settings=settings)
    upload = PersadoUploadOperator(task_id="upload", previous=encode.output, settings=settings)
    PersadoSuccessFileOperator(task_id="success_file", previous=upload.output, settings=settings)

Every stage returns a :class:`~persado.pipeline.stage.receipt.Handover`, which says where its files are; the files stay
in the stage area. The last one puts the :class:`~persado.pipeline.stage.receipt.Receipt` into the events of its outlet
assets.
"""

from __future__ import annotations

import hashlib
import posixpath
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException, AirflowTaskTerminated, AirflowTaskTimeout
from jinja2 import TemplateError

from persado.access.senders import refuse_unless_all_may_send
from persado.connections.keys import checked_keys, public_key, signing_key
from persado.connections.options import config_dir, stage_root
from persado.connections.source import open_source
from persado.errors import ConfigurationError, PersadoError, RejectedError
from persado.hooks import PersadoHook
from persado.ledger.writer import Failure, Ledger, ledger_problems, told
from persado.operators.progress import Progress
from persado.operators.run_params import reason, refuse_misspelt
from persado.operators.upload_state import upload_state
from persado.operators.upstream import skip_unless_changed
from persado.pipeline import chained
from persado.pipeline.done.success_file import manifest, require_delivered, write_success_file
from persado.pipeline.encrypt.public_key import PublicKey
from persado.pipeline.encrypt.signing_key import SigningKey
from persado.pipeline.names import Names
from persado.pipeline.rows.guards import EmptyResult, OnEmpty, check_change, check_rows
from persado.pipeline.rows.row_spec import Selection
from persado.pipeline.site.reconnect import KeptSession
from persado.pipeline.stage.area import StageArea
from persado.pipeline.stage.artifact import Artifact
from persado.pipeline.stage.receipt import DeliveredFile, Handover, Receipt, StageRecord
from persado.pipeline.streamed import Making, deliver
from persado.pipeline.upload.rules import SiteRules
from persado.pipeline.upload.staged import Upload, upload
from persado.pipeline.upload.streaming import StreamUpload
from persado.preview.dry_run import skip_if_dry_run
from persado.preview.rendering import cannot_render
from persado.retries import PersadoRetryPolicy
from persado.settings import Access, ChangeGuard, Column, Contract, RowGuards, Settings
from persado.settings.filenames.template import NameValues

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.retry_policy import RetryPolicy
    from jinja2 import Environment

ABANDONED_AFTER = 3 * 24 * 3600
"""The age in seconds from which on the files of a delivery that never ended are swept from the stage area."""


class PersadoOperator(BaseOperator):
    """
    What all the tasks of a delivery share.

    :param asset: the asset that stands for the delivery: its ledger keeps a record of every try
    :param retry_policy: which errors are worth another try; the default knows the project's own errors
    """

    stage: ClassVar[str]
    previous: Any = None

    def __init__(self, *, asset: Asset | None = None, retry_policy: RetryPolicy | None = None, **kwargs: Any) -> None:
        if asset is not None:
            # As an inlet its state is at hand, and no event comes of it.
            kwargs["inlets"] = [*kwargs.get("inlets", []), asset]
        super().__init__(retry_policy=retry_policy or PersadoRetryPolicy(), **kwargs)
        self.asset = asset

    def fail(self, context: Context, error: PersadoError) -> NoReturn:
        """
        Fail with an error that this project raises on purpose, and keep a record of it.

        :raises PersadoError: the error
        """
        self.log.error("%s", error)
        self._keep_failure(context, error)
        raise error.bare() from None

    def refuse_strangers(self, context: Context, access: Access, *, pii: bool, unknown_may: bool = False) -> None:
        """
        Fail unless everybody who set the run going may send, see :mod:`persado.access.senders`.

        :raises RejectedError: if one of them may not
        """
        try:
            refuse_unless_all_may_send(context, access, pii=pii, unknown_may=unknown_may, log=self.log)
        except RejectedError as refusal:
            self.fail(context, refusal)

    def _keep_failure(self, context: Context, error: BaseException) -> None:
        if self.asset is not None and "asset_state_store" in context:
            with ledger_problems(self.log):
                Ledger(context, self.asset).failed(self._failure(context, type(error).__name__, told(error)))

    @contextmanager
    def _noted(self, context: Context) -> Iterator[None]:
        """Leave a note while the task runs: the one that finds it later knows that this try was killed."""
        if self.asset is None:
            yield
            return
        ledger = Ledger(context, self.asset)
        with ledger_problems(self.log):
            ledger.begun(self._failure(context, "Killed", "the try was killed, or its worker was lost"))
        try:
            yield
        finally:
            with ledger_problems(self.log):
                ledger.ended()

    def _failure(self, context: Context, error: str, message: str) -> Failure:
        task, run = context["ti"], context["dag_run"]
        return Failure(
            delivery_id=Handover.model_validate(self.previous).delivery_id if self.previous else _delivery_id(context),
            dag_id=run.dag_id,
            run_id=run.run_id,
            triggered_by=run.triggering_user_name,
            reason=reason(context),
            stage=self.stage,
            try_number=task.try_number,
            error=error,
            message=message,
            finished=datetime.now(UTC),
        )


class PersadoStageOperator(PersadoOperator):
    """
    What all the stages share.

    :param settings: the effective settings of the delivery, see ``docs/settings.md``
    :param previous: the output of the stage before (templated)
    """

    template_fields: Sequence[str] = ("previous",)
    _running = False

    def __init__(self, *, settings: Settings | dict[str, Any], previous: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = Settings.model_validate(settings)
        self.previous = previous

    @abstractmethod
    def run_stage(self, context: Context, progress: Progress) -> Handover:
        """Do the stage's work and tell what came of it, without the record of this stage."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the stage; return the handover as plain data, for XCom."""
        progress = Progress(self.stage, self.log)
        try:
            self._running = True
            with self._noted(context):
                done = self.run_stage(context, progress)
        except EmptyResult as outcome:
            raise AirflowSkipException(str(outcome)) from None
        except PersadoError as error:
            self.fail(context, error)
        except AirflowSkipException:
            raise
        except (Exception, AirflowTaskTerminated, AirflowTaskTimeout) as error:
            self._keep_failure(context, error)
            raise
        finally:
            self._running = False
        record = StageRecord(
            stage=self.stage,
            started=progress.started,
            seconds=round(progress.seconds, 3),
            rows=done.rows,
            bytes=sum(artifact.bytes for artifact in done.artifacts),
            files=len(done.artifacts),
        )
        progress.finish(record)
        done = done.model_copy(update={"stages": (*done.stages, record)})
        if self.outlets:
            self._keep_receipt(context, self._receipt(context, done), done.values)
        return done.model_dump(mode="json")

    def on_kill(self) -> None:
        """Break off inside the stage, so that it ends its child processes and removes what it has begun."""
        if self._running:
            self._running = False
            raise AirflowTaskTerminated(f"{self.stage}: the task was stopped")

    def handover(self) -> Handover:
        """Give what the stage before has left."""
        if self.previous is None:
            raise ConfigurationError(
                "the stage before has handed over nothing: clear the run from its first task on (extract, with all "
                "downstream tasks)"
            )
        return Handover.model_validate(self.previous)

    def names(self, handover: Handover) -> Names:
        """Give the names of this run's files."""
        return Names(self.settings, handover.values)

    def area(self, handover: Handover) -> StageArea:
        """Give the delivery's folder in the stage area."""
        return StageArea(stage_root(), handover.delivery_id)

    def remote_path(self, name: str) -> str:
        """Give the full path at the site of a name below the remote folder."""
        return posixpath.join(self.settings.remote_path, name)

    def done_path(self, handover: Handover) -> str | None:
        """Give the full path of the success file; None where there is to be none."""
        return self.remote_path(self.names(handover).done()) if self.settings.success_file else None

    def part_path(self, names: Names) -> Callable[[int], str] | None:
        """Give what tells the full path of a part by its number; None where no parts lie at the site."""
        if self.settings.split is None or names.one_archive:
            return None
        return lambda number: self.remote_path(names.sent(names.formatted(number)))

    def delivered_files(self, handover: Handover) -> tuple[DeliveredFile, ...]:
        """Say where each file stands at the site."""
        return tuple(
            DeliveredFile(
                name=file.name,
                remote_path=self.remote_path(file.name),
                rows=file.rows,
                bytes=file.bytes,
                sha256=file.sha256,
            )
            for file in handover.artifacts
        )

    def _keep_receipt(self, context: Context, receipt: Receipt, values: NameValues) -> None:
        for asset in self.outlets:
            if isinstance(asset, Asset):
                context["outlet_events"][asset].extra = receipt.model_dump(mode="json")
        if self.asset is not None:
            Ledger(context, self.asset).delivered(receipt, values)

    def _receipt(self, context: Context, done: Handover) -> Receipt:
        run = context["dag_run"]
        return Receipt(
            delivery_id=done.delivery_id,
            orchestration=done.values.orchestration,
            destination=getattr(self, "destination", None) or getattr(self, "persado_conn_id", ""),
            dag_id=run.dag_id,
            run_id=run.run_id,
            triggered_by=run.triggering_user_name,
            reason=reason(context),
            query_sha256=done.query_sha256,
            read_by=done.read_by,
            rows=done.rows,
            files=self.delivered_files(done),
            key_fingerprint=done.key_fingerprint,
            done_path=self.done_path(done),
            started=done.stages[0].started,
            finished=datetime.now(UTC),
            stages=done.stages,
            warnings=done.warnings,
        )


@dataclass(frozen=True)
class Begun:
    """A delivery before its query runs: its id, what file names stand for, the keys, and what is to be seen."""

    delivery_id: str
    values: NameValues
    key: PublicKey | None
    signing: SigningKey | None
    warnings: tuple[str, ...]

    def handover(
        self, sql: str, artifacts: tuple[Artifact, ...], read_by: str, warnings: tuple[str, ...], **more: Any
    ) -> Handover:
        """Give what the first stage hands on."""
        return Handover(
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
    Run the query and keep the chosen columns of its rows in the stage area.

    Everything that can be known to fail later is looked at first: the file's names, the transform and the keys.

    :param sql: the query, or the name of a ``.sql`` file (templated)
    :param conn_id: Airflow connection of the warehouse (templated)
    :param columns: which columns are sent and under which header; None sends every column as it comes
    :param transform: a Python function, ``module:function``, that gets each batch as a pandas DataFrame first
    :param transform_folder: where its module is; relative to the working directory, ``include`` by default
    :param contract: what the receiver insists on
    :param rows: how many rows are normal
    :param change: how much that may differ from the last delivery in the ledger of ``asset``
    :param on_empty: what to do when there are none: ``fail``, ``skip`` the run, or ``send`` a file without rows
    :param orchestration: the name that file names and receipts show (templated)
    :param campaign_name: the value of ``{{campaign_name}}`` in file names
    :param group_name: the value of ``{{group_name}}`` in file names
    :param keys_folder: the folder of key files; None is ``keys`` in ``[persado] config_dir``
    :param only_if_changed: assets of which one must have changed since the last delivery of ``asset``; else a scheduled
        run is skipped
    :param origins: for each setting where its value is from; a preview shows it
    :param persado_conn_id: Airflow connection of the site; a preview shows its id
    :param access: who may send: it refuses a run that somebody else has set going; None leaves that to the gate
    :param pii: whether the rows may hold personal data: then who is unknown may not send either
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
        self.selection = Selection(
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
        """Render the query and the other fields; a template that is wrong is wrong at every try."""
        try:
            super().render_template_fields(context, jinja_env)
        except TemplateError as error:
            problem = cannot_render(self._query_name, error)
        else:
            return
        self.fail(context, problem)

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the stage; or in a dry run, make the preview and skip what follows."""
        if self.access is not None:
            self.refuse_strangers(context, self.access, pii=self.pii, unknown_may=not self.pii)
        try:
            refuse_misspelt(context)
        except RejectedError as error:
            self.fail(context, error)
        skip_if_dry_run(self, context)
        return super().execute(context)

    def run_stage(self, context: Context, progress: Progress) -> Handover:
        """Check what can be checked, run the query, judge the number of rows."""
        begun = self.begin(context, progress)
        area = StageArea(stage_root(), begun.delivery_id)
        area.sweep(ABANDONED_AFTER)
        with open_source(self.conn_id) as connection:
            artifact, read_by = chained.extract_stage(
                area, connection, self.sql, self.selection, self.settings, progress.add
            )
        warnings = self.judge(context, artifact.rows)
        return begun.handover(self.sql, (artifact,), read_by, warnings)

    def begin(self, context: Context, progress: Progress) -> Begun:
        """Look at everything that can be known to fail later, before the query runs."""
        skip_unless_changed(context, self.asset, self.only_if_changed, self.log)
        values = self.name_values(context)
        Names(self.settings, values).check()
        self.selection.check()
        keys_folder = self.keys_folder or config_dir() / "keys"
        key, signing, warnings = checked_keys(self.settings, keys_folder, progress.started)
        for text in warnings:
            self.log.warning("%s", text)
        return Begun(_delivery_id(context), values, key, signing, warnings)

    def judge(self, context: Context, rows: int) -> tuple[str, ...]:
        """Judge the number of rows; give the warnings."""
        warnings = check_rows(rows, self.rows, self.on_empty)
        if self.change is not None and self.asset is not None:
            warnings += check_change(rows, Ledger(context, self.asset).last_rows(), self.change)
        for text in warnings:
            self.log.warning("%s", text)
        return warnings

    def name_values(self, context: Context) -> NameValues:
        """Give what the placeholders of file names stand for."""
        run = context["dag_run"]
        return NameValues(
            # The run's own start does not move when a task is tried again.
            now=(run.start_date or run.run_after).astimezone(UTC),
            orchestration=self.orchestration,
            run_id=run.run_id,
            data_interval_start=run.data_interval_start,
            data_interval_end=run.data_interval_end,
            logical_date=run.logical_date,
            campaign_name=self.campaign_name,
            group_name=self.group_name,
        )


class PersadoFormatOperator(PersadoStageOperator):
    """Write the rows as delimited text, in one file or in parts."""

    stage = "format"

    def run_stage(self, context: Context, progress: Progress) -> Handover:
        """Format the rows."""
        before = self.handover()
        files = chained.format_stage(
            self.area(before), before.artifacts[0], self.names(before), self.settings, progress.add
        )
        return before.model_copy(update={"artifacts": files})


class PersadoEncodeOperator(PersadoStageOperator):
    """Compress the files, or put them into an archive."""

    stage = "encode"

    def run_stage(self, context: Context, progress: Progress) -> Handover:
        """Encode the files."""
        before = self.handover()
        files = chained.encode_stage(
            self.area(before), before.artifacts, self.names(before), self.settings, progress.add
        )
        return before.model_copy(update={"artifacts": files})


class PersadoEncryptOperator(PersadoStageOperator):
    """
    Encrypt the files to the receiver's OpenPGP key.

    :param keys_folder: the folder of key files; None is ``keys`` in ``[persado] config_dir``
    """

    stage = "encrypt"

    def __init__(self, *, keys_folder: str | Path | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keys_folder = keys_folder

    def run_stage(self, context: Context, progress: Progress) -> Handover:
        """Encrypt the files."""
        before = self.handover()
        key = public_key(self.settings, Path(self.keys_folder or config_dir() / "keys"))
        if key is None:
            raise TypeError("PersadoEncryptOperator needs the setting pgp_public_key")
        files = chained.encrypt_stage(
            self.area(before),
            before.artifacts,
            self.names(before),
            self.settings,
            key,
            signing_key(self.settings),
            progress.add,
        )
        return before.model_copy(update={"artifacts": files, "key_fingerprint": key.fingerprint})


class PersadoUploadOperator(PersadoStageOperator):
    """
    Put the files at the site, each under its final name only when it is complete.

    :param persado_conn_id: Airflow connection of the site (templated)
    :param destination: the destination's name, for the receipt
    """

    template_fields: Sequence[str] = ("previous", "persado_conn_id")
    stage = "upload"

    def __init__(
        self,
        *,
        persado_conn_id: str = PersadoHook.default_conn_name,
        destination: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.persado_conn_id = persado_conn_id
        self.destination = destination

    def run_stage(self, context: Context, progress: Progress) -> Handover:
        """Upload the files."""
        before = self.handover()
        area, names = self.area(before), self.names(before)
        if not area.holds(before.artifacts):
            return self._look_at_delivered(before)
        files = [
            Upload(self.remote_path(file.name), file.bytes, file.sha256, partial(area.open, file))
            for file in before.artifacts
        ]
        with upload_state(context, self.log) as state:
            upload(
                PersadoHook(self.persado_conn_id).session,
                files,
                delivery_id=before.delivery_id,
                remote_folder=self.settings.remote_path,
                done_path=self.remote_path(names.done()),
                done_follows=bool(self.settings.success_file),
                part_path=self.part_path(names),
                rules=SiteRules.of(self.settings),
                on_bytes=partial(progress.add, 0),
                on_offset=state.note,
                on_complete=area.remove,
            )
        for file in files:
            self.log.info("%s: %s bytes, complete", file.remote_path, f"{file.size:,}")
        return before

    def _look_at_delivered(self, before: Handover) -> Handover:
        """See whether a delivery whose staged files are gone has arrived: a finished one may be cleared, too."""
        files = self.delivered_files(before)
        self.log.info("no staged files: looking whether all of them are at the site already")
        require_delivered(PersadoHook(self.persado_conn_id).session, files, SiteRules.of(self.settings))
        self.log.info("all %s file(s) are at the site, byte by byte; nothing was sent", len(files))
        return before


class PersadoSuccessFileOperator(PersadoUploadOperator):
    """Write the ``.DONE`` file: the last thing at the site, after a last look at every file."""

    stage = "success_file"

    def run_stage(self, context: Context, progress: Progress) -> Handover:
        """Write the success file, then empty the delivery's stage area."""
        before = self.handover()
        done_path = self.remote_path(self.names(before).done())
        files = self.delivered_files(before)
        content = b""
        if self.settings.success_file == "manifest":
            content = manifest(files, delivery_id=before.delivery_id, key_fingerprint=before.key_fingerprint)
        write_success_file(
            PersadoHook(self.persado_conn_id).session,
            done_path,
            files,
            delivery_id=before.delivery_id,
            content=content,
            rules=SiteRules.of(self.settings),
            on_complete=self.area(before).remove,
        )
        self.log.info("%s is in place: %s rows in %s file(s) are delivered", done_path, before.rows, len(files))
        return before


class PersadoDeliverOperator(PersadoExtractOperator):
    """
    Run the query and send its rows, all stages at once: nothing of the delivery rests on this machine's disk.

    It takes what :class:`PersadoExtractOperator` takes, and:

    :param persado_conn_id: Airflow connection of the site (templated)
    :param destination: the destination's name, for the receipt
    """

    template_fields: Sequence[str] = ("sql", "conn_id", "orchestration", "persado_conn_id")
    stage = "deliver"

    def __init__(
        self,
        *,
        persado_conn_id: str = PersadoHook.default_conn_name,
        destination: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(persado_conn_id=persado_conn_id, **kwargs)
        self.destination = destination

    def run_stage(self, context: Context, progress: Progress) -> Handover:
        """Check what can be checked, then let the rows flow to the site."""
        begun = self.begin(context, progress)
        names = Names(self.settings, begun.values)
        making = Making(names, self.settings, self.remote_path, begun.key, begun.signing)
        warnings: list[str] = []
        with closing(KeptSession(PersadoHook(self.persado_conn_id).session)) as session:
            site = StreamUpload(
                session,
                delivery_id=begun.delivery_id,
                remote_folder=self.settings.remote_path,
                done_path=self.remote_path(names.done()),
                done_follows=bool(self.settings.success_file),
                part_path=self.part_path(names),
                rules=SiteRules.of(self.settings),
            )
            done = deliver(
                partial(open_source, self.conn_id),
                self.sql,
                self.selection,
                making,
                site,
                lambda rows: warnings.extend(self.judge(context, rows)),
                progress.add,
            )
        for file in done.artifacts:
            self.log.info("%s: %s bytes, complete", file.uri, f"{file.bytes:,}")
        fingerprint = begun.key.fingerprint if begun.key else None
        return begun.handover(self.sql, done.artifacts, done.read_by, tuple(warnings), key_fingerprint=fingerprint)


def _delivery_id(context: Context) -> str:
    """Mark a delivery: the same at every try of a run, another for every other run or extracting task."""
    task = context["ti"]
    parts = (task.dag_id, task.run_id, task.task_id, str(task.map_index))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
