"""All stages at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from persado.connections.source import open_source
from persado.hooks import PersadoHook
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
from persado.operators.extract import PersadoExtractOperator


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

    def run_stage(self, context: Context, progress: Progress) -> StageResult:
        """Check what can be checked, then let the rows flow to the site."""
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
                lambda rows: warnings.extend(self.judge(context, rows)),
                progress.add,
            )
        for file in done.artifacts:
            self.log.info("%s: %s bytes, complete", file.uri, f"{file.bytes:,}")
        fingerprint = prepared.key.fingerprint if prepared.key else None
        return prepared.result(self.sql, done.artifacts, done.read_by, tuple(warnings), key_fingerprint=fingerprint)
