"""Put the files at the site."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from persado.hooks import PersadoHook
from persado.operators.progress import Progress
from persado.operators.upload_state import upload_state
from persado.pipeline.done.success_file import require_delivered
from persado.pipeline.stage.receipt import StageResult
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.staged import Upload, upload

if TYPE_CHECKING:
    from airflow.sdk import Context
from persado.operators.stage import PersadoStageOperator


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

    def run_stage(self, context: Context, progress: Progress) -> StageResult:
        """Upload the files."""
        before = self.previous_result()
        area, plan = self.area(before), self.plan(before)
        if not area.holds(before.artifacts):
            return self._look_at_delivered(before, plan)
        files = [
            Upload(plan.remote_path(file.name), file.bytes, file.sha256, partial(area.open, file))
            for file in before.artifacts
        ]
        with upload_state(context, self.log) as state:
            upload(
                PersadoHook(self.persado_conn_id).session,
                files,
                plan,
                on_bytes=partial(progress.add, 0),
                on_offset=state.note,
                on_complete=area.remove,
            )
        for file in files:
            self.log.info("%s: %s bytes, complete", file.remote_path, f"{file.size:,}")
        return before

    def _look_at_delivered(self, before: StageResult, plan: UploadPlan) -> StageResult:
        """See whether a delivery whose staged files are gone has arrived: a finished one may be cleared, too."""
        files = self.delivered_files(before)
        self.log.info("no staged files: looking whether all of them are at the site already")
        require_delivered(PersadoHook(self.persado_conn_id).session, files, plan.rules)
        self.log.info("all %s file(s) are at the site, byte by byte; nothing was sent", len(files))
        return before
