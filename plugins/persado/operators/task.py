"""What all the tasks of a delivery share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import Asset, BaseOperator

from persado.access.senders import refuse_unless_all_may_send
from persado.errors import PersadoError, RejectedError
from persado.ledger.records import Failure, told
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
    """Mark a delivery: the same at every try of a run, another for every other run or extracting task."""
    task = context["ti"]
    parts = (task.dag_id, task.run_id, task.task_id, str(task.map_index))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
