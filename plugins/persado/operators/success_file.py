"""Write the success file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persado.hooks import PersadoHook
from persado.operators.progress import Progress
from persado.pipeline.done.success_file import manifest, write_success_file
from persado.pipeline.stage.receipt import StageResult

if TYPE_CHECKING:
    from airflow.sdk import Context
from persado.operators.upload import PersadoUploadOperator


class PersadoSuccessFileOperator(PersadoUploadOperator):
    """Write the ``.DONE`` file: the last thing at the site, after a last look at every file."""

    stage = "success_file"

    def run_stage(self, context: Context, progress: Progress) -> StageResult:
        """Write the success file, then empty the delivery's stage area."""
        before = self.previous_result()
        plan = self.plan(before)
        files = self.delivered_files(before)
        content = b""
        if self.settings.success_file == "manifest":
            content = manifest(files, delivery_id=before.delivery_id, key_fingerprint=before.key_fingerprint)
        write_success_file(
            PersadoHook(self.persado_conn_id).session,
            files,
            plan,
            content=content,
            on_complete=self.area(before).remove,
        )
        self.log.info("%s is in place: %s rows in %s file(s) are delivered", plan.done_path, before.rows, len(files))
        return before
