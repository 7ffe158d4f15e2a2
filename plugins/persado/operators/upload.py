"""The stage that uploads the files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from persado.hooks import PersadoHook
from persado.operators.progress import Progress
from persado.operators.stage import PersadoStageOperator
from persado.operators.upload_state import upload_state
from persado.pipeline.done.success_file import require_delivered
from persado.pipeline.stage.receipt import StageResult
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.staged import Upload, upload

if TYPE_CHECKING:
    from airflow.sdk import Context


class PersadoUploadOperator(PersadoStageOperator):
    """
    Upload the files; each one gets its final name only when it is complete.

    ::

        PersadoUploadOperator(
            task_id="upload", previous=encode.output, settings=settings, persado_conn_id="persado_default"
        )

    A retry resumes an interrupted upload from what the site has already stored.

    :param settings: the effective settings of the delivery, see ``docs/settings.md``
    :param previous: the output of the previous stage (templated)
    :param persado_conn_id: :ref:`connection <howto/connection:persado>` of the site (templated)
    :param destination: name of the destination in the receipt; None uses ``persado_conn_id``
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
            return self._check_delivered(before, plan)
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
                on_offset=state.record,
                on_complete=area.remove,
            )
        for file in files:
            self.log.info("%s: %s bytes, complete", file.remote_path, f"{file.size:,}")
        return before

    def _check_delivered(self, before: StageResult, plan: UploadPlan) -> StageResult:
        """Check that all files are at the site: the task of a finished delivery, without staged files, was cleared."""
        files = self.delivered_files(before)
        self.log.info("no staged files: checking whether all files are already at the site")
        require_delivered(PersadoHook(self.persado_conn_id).session, files, plan.rules)
        self.log.info("all %s file(s) are already at the site with the same content; nothing was sent", len(files))
        return before
