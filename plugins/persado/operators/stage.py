"""The base class of the stages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException, AirflowTaskTerminated, AirflowTaskTimeout

from persado.connections.options import stage_root
from persado.errors import ConfigurationError, PersadoError
from persado.ledger.writer import Ledger
from persado.operators.progress import Progress
from persado.operators.run_params import reason
from persado.operators.task import PersadoOperator
from persado.pipeline.names import Names
from persado.pipeline.rows.guards import EmptyResult
from persado.pipeline.stage.area import StageArea
from persado.pipeline.stage.receipt import DeliveredFile, Receipt, StageRecord, StageResult
from persado.pipeline.upload.plan import UploadPlan
from persado.settings import Settings
from persado.settings.filenames.template import NameValues

if TYPE_CHECKING:
    from airflow.sdk import Context


class PersadoStageOperator(PersadoOperator):
    """
    Base class of the stages. A subclass sets ``stage`` and implements :meth:`run_stage`.

    :param settings: the effective settings of the delivery, see ``docs/settings.md``
    :param previous: the output of the previous stage (templated)
    """

    template_fields: Sequence[str] = ("previous",)
    _running = False

    def __init__(self, *, settings: Settings | dict[str, Any], previous: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = Settings.model_validate(settings)
        self.previous = previous

    @abstractmethod
    def run_stage(self, context: Context, progress: Progress) -> StageResult:
        """Do the work of the stage; return its result, still without the record of this stage."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the stage; return its result as JSON data for XCom."""
        progress = Progress(self.stage, self.log)
        try:
            self._running = True
            with self._marking_running(context):
                done = self.run_stage(context, progress)
        except EmptyResult as outcome:
            raise AirflowSkipException(str(outcome)) from None
        except PersadoError as error:
            self.fail(context, error)
        except AirflowSkipException:
            raise
        except (Exception, AirflowTaskTerminated, AirflowTaskTimeout) as error:
            self._record_failure(context, error)
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
            self._record_receipt(context, self._receipt(context, done), done.values)
        return done.model_dump(mode="json")

    def on_kill(self) -> None:
        """Interrupt the running stage, so that it ends its child processes and cleans up."""
        if self._running:
            self._running = False
            raise AirflowTaskTerminated(f"{self.stage}: the task was stopped")

    def previous_result(self) -> StageResult:
        """
        Return the result of the previous stage.

        :raises ConfigurationError: if there is none
        """
        if self.previous is None:
            raise ConfigurationError(
                "there is no result of the previous stage. Clear the run from its first task on (extract, with all "
                "downstream tasks)"
            )
        return StageResult.model_validate(self.previous)

    def names(self, result: StageResult) -> Names:
        """Return the names of this run's files."""
        return Names(self.settings, result.values)

    def area(self, result: StageResult) -> StageArea:
        """Return the delivery's folder in the stage area."""
        return StageArea(stage_root(), result.delivery_id)

    def plan(self, result: StageResult) -> UploadPlan:
        """Return the remote paths of this delivery."""
        return UploadPlan.of(self.names(result), result.delivery_id)

    def done_path(self, result: StageResult) -> str | None:
        """Return the full path of the success file; None if the settings ask for none."""
        return self.plan(result).done_path if self.settings.success_file else None

    def delivered_files(self, result: StageResult) -> tuple[DeliveredFile, ...]:
        """Return the delivered files with their paths at the site."""
        plan = self.plan(result)
        return tuple(
            DeliveredFile(
                name=file.name,
                remote_path=plan.remote_path(file.name),
                rows=file.rows,
                bytes=file.bytes,
                sha256=file.sha256,
            )
            for file in result.artifacts
        )

    def _record_receipt(self, context: Context, receipt: Receipt, values: NameValues) -> None:
        for asset in self.outlets:
            if isinstance(asset, Asset):
                context["outlet_events"][asset].extra = receipt.model_dump(mode="json")
        if self.asset is not None:
            Ledger(context, self.asset).record_delivery(receipt, values)

    def _receipt(self, context: Context, done: StageResult) -> Receipt:
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
