"""The last stage: writes the success file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persado.hooks import PersadoHook
from persado.operators.progress import Progress
from persado.operators.upload import PersadoUploadOperator
from persado.pipeline.done.success_file import manifest, write_success_file
from persado.pipeline.stage.receipt import StageResult

if TYPE_CHECKING:
    from airflow.sdk import Context


class PersadoSuccessFileOperator(PersadoUploadOperator):
    """
    Verify every delivered file, then write the ``.DONE`` file.

    ::

        PersadoSuccessFileOperator(
            task_id="success_file", previous=upload.output, settings=settings, persado_conn_id="persado_default"
        )

    :param settings: the effective settings of the delivery, see ``docs/settings.md``
    :param previous: the output of the upload stage (templated)
    :param persado_conn_id: :ref:`connection <howto/connection:persado>` of the site (templated)
    :param destination: name of the destination in the receipt; None uses ``persado_conn_id``
    """

    stage = "success_file"

    def run_stage(self, context: Context, progress: Progress) -> StageResult:
        """Write the success file, then delete the delivery's staged files."""
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
        self.log.info("%s is in place: delivered %s rows in %s file(s)", plan.done_path, before.rows, len(files))
        return before
