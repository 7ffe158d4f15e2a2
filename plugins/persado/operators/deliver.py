"""The operator that runs all stages at once, without intermediate files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from persado.connections.source import open_source
from persado.hooks import PersadoHook
from persado.operators.extract import PersadoExtractOperator
from persado.operators.progress import Progress
from persado.pipeline.names import Names
from persado.pipeline.recipe import Recipe
from persado.pipeline.site.reconnect import KeptSession
from persado.pipeline.stage.receipt import StageResult
from persado.pipeline.streamed import deliver
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.streaming import StreamUpload

if TYPE_CHECKING:
    from airflow.sdk import Context


class PersadoDeliverOperator(PersadoExtractOperator):
    """
    Run the query and stream its rows to the site in one task, without writing them to the worker's disk.

    ::

        PersadoDeliverOperator(
            task_id="deliver",
            sql="segment.sql",
            conn_id="warehouse",
            persado_conn_id="persado_default",
            settings={"filename_template": "segment.csv.gz", "encoding": "gzip", "remote_folder": "/inbox"},
        )

    All parameters of :class:`PersadoExtractOperator` apply, and:

    :param persado_conn_id: :ref:`connection <howto/connection:persado>` of the site (templated)
    :param destination: name of the destination in the receipt; None uses ``persado_conn_id``
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

    def run_stage(self, context: Context, progress: Progress) -> StageResult:
        """Run all checks, then stream the rows to the site."""
        prepared = self.prepare(context, progress)
        recipe = Recipe(Names(self.settings, prepared.values), prepared.key, prepared.signing)
        plan = UploadPlan.of(recipe.names, prepared.delivery_id)
        warnings: list[str] = []
        with closing(KeptSession(PersadoHook(self.persado_conn_id).session)) as session:
            done = deliver(
                partial(open_source, self.conn_id),
                self.sql,
                self.row_spec,
                recipe,
                StreamUpload(session, plan),
                lambda rows: warnings.extend(self.check_row_count(context, rows)),
                progress.add,
            )
        for file in done.artifacts:
            self.log.info("%s: %s bytes, complete", file.uri, f"{file.bytes:,}")
        fingerprint = prepared.key.fingerprint if prepared.key else None
        return prepared.result(self.sql, done.artifacts, done.read_by, tuple(warnings), key_fingerprint=fingerprint)
