"""The ledger of deliveries: Airflow's asset state store keeps a record of every try, failures too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError

from persado.pipeline.stage.receipt import Receipt
from persado.settings.filenames.template import NameValues

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context
from persado.ledger.records import Failure, LastDelivery

LAST_DELIVERED = "last_delivered"
RUNNING = "running"


class Ledger:
    """
    The records of one asset's deliveries.

    :param context: the task's context; the asset must be an inlet or outlet of the task
    :param asset: the asset that the deliveries update
    """

    def __init__(self, context: Context, asset: Asset) -> None:
        self._store: Any = context["asset_state_store"][asset]
        self._run = context["dag_run"]
        self._task = context["ti"]

    def last_delivery(self) -> LastDelivery | None:
        """Tell what was delivered last; None before the first time."""
        last = self._store.get(LAST_DELIVERED)
        return LastDelivery.model_validate(last) if last else None

    def last_rows(self) -> int | None:
        """Give how many rows the last delivery had; None before the first."""
        last = self.last_delivery()
        return None if last is None else last.rows

    def delivered(self, receipt: Receipt, values: NameValues) -> None:
        """
        Keep the receipt of a delivery.

        :param receipt: the receipt
        :param values: what was true when its rows were read: the run's own start is another one once it was cleared
        """
        record = receipt.model_dump(mode="json")
        self._store.set(_key(receipt.finished, receipt.delivery_id), record)
        before = self.last_delivery()
        since, until = values.now, values.data_interval_end
        if before is not None and before.until is not None and until is not None and until < before.until:
            # Who sends a past interval again has not sent what changed since a later one.
            since, until = before.since or since, before.until
        last = LastDelivery(rows=receipt.rows, finished=receipt.finished, since=since, until=until)
        self._store.set(LAST_DELIVERED, last.model_dump(mode="json"))

    def begun(self, failure: Failure) -> None:
        """
        Note that a try begins, and keep a record of the one before it if that was killed: only its note tells of it.

        :param failure: the record of this try, for the case that it is killed too
        """
        before = self._store.get(RUNNING)
        self._store.set(RUNNING, failure.model_dump(mode="json"))
        if before and not self._runs(killed := Failure.model_validate(before)):
            self.failed(killed)

    def ended(self) -> None:
        """Note that the try has ended, and was not killed."""
        self._store.delete(RUNNING)

    def _runs(self, attempt: Failure) -> bool:
        """Whether a try runs on beside this one, as in a DAG that allows several runs at once."""
        if attempt.run_id == self._run.run_id:
            return False
        states = self._task.get_task_states(dag_id=attempt.dag_id, run_ids=[attempt.run_id])
        return "running" in {state for tasks in states.values() for state in tasks.values()}

    def failed(self, failure: Failure) -> None:
        """Keep the record of a try that failed."""
        self._store.set(_key(failure.finished, failure.delivery_id or "none"), failure.model_dump(mode="json"))


@contextmanager
def ledger_problems(log: Any, what: str = "the ledger") -> Iterator[None]:
    """
    Only warn where Airflow does not take or give a record: what the task itself has to say is what counts.

    :param log: the task's logger
    :param what: what does not work then
    """
    try:
        yield
    except (AirflowException, AirflowRuntimeError) as problem:
        log.warning("%s does not work: %s", what, type(problem).__name__)


def _key(moment: datetime, delivery_id: str) -> str:
    """Keys are listed in their order: the moment comes first."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}_{delivery_id}"
