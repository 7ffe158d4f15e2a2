"""The base class of all operators of a delivery."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import Asset, BaseOperator

from persado.access.senders import refuse_unless_all_may_send
from persado.errors import PersadoError, RejectedError
from persado.ledger.records import Failure, failure_message
from persado.ledger.writer import Ledger, ledger_problems
from persado.operators.run_params import reason
from persado.pipeline.stage.receipt import StageResult
from persado.retries import PersadoRetryPolicy
from persado.settings import Access

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.retry_policy import RetryPolicy


class PersadoOperator(BaseOperator):
    """
    Base class of all operators of a delivery.

    :param asset: the asset of the delivery; every try is recorded in its ledger
    :param retry_policy: decides which errors are retried; None is
        :class:`~persado.retries.PersadoRetryPolicy`
    """

    stage: ClassVar[str]
    previous: Any = None

    def __init__(self, *, asset: Asset | None = None, retry_policy: RetryPolicy | None = None, **kwargs: Any) -> None:
        if asset is not None:
            # An inlet makes the asset's state available without emitting an asset event.
            kwargs["inlets"] = [*kwargs.get("inlets", []), asset]
        super().__init__(retry_policy=retry_policy or PersadoRetryPolicy(), **kwargs)
        self.asset = asset

    def fail(self, context: Context, error: PersadoError) -> NoReturn:
        """
        Log and record an error, then raise it.

        :raises PersadoError: always
        """
        self.log.error("%s", error)
        self._record_failure(context, error)
        raise error.bare() from None

    def refuse_unauthorised(self, context: Context, access: Access, *, pii: bool, unknown_may: bool = False) -> None:
        """
        Fail unless everybody who started the run may send, see :mod:`persado.access.senders`.

        :param access: what both the destination and the data template allow
        :param pii: whether personal data may be sent
        :param unknown_may: whether a run of unknown origin may send
        :raises RejectedError: if one of them may not send
        """
        try:
            refuse_unless_all_may_send(context, access, pii=pii, unknown_may=unknown_may, log=self.log)
        except RejectedError as error:
            self.fail(context, error)

    def _record_failure(self, context: Context, error: BaseException) -> None:
        if self.asset is not None and "asset_state_store" in context:
            with ledger_problems(self.log):
                failure = self._failure(context, type(error).__name__, failure_message(error))
                Ledger(context, self.asset).record_failure(failure)

    @contextmanager
    def _marking_running(self, context: Context) -> Iterator[None]:
        """Record that the try is running; if the record outlives the try, the try was killed."""
        if self.asset is None:
            yield
            return
        ledger = Ledger(context, self.asset)
        with ledger_problems(self.log):
            ledger.record_start(self._failure(context, "Killed", "the try was killed, or its worker was lost"))
        try:
            yield
        finally:
            with ledger_problems(self.log):
                ledger.record_end()

    def _failure(self, context: Context, error: str, message: str) -> Failure:
        task, run = context["ti"], context["dag_run"]
        previous = StageResult.model_validate(self.previous) if self.previous else None
        return Failure(
            delivery_id=previous.delivery_id if previous else new_delivery_id(context),
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


def new_delivery_id(context: Context) -> str:
    """Return the id of a delivery: the same for every try, different for every run and extracting task."""
    task = context["ti"]
    parts = (task.dag_id, task.run_id, task.task_id, str(task.map_index))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
