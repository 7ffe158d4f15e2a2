"""The ledger of deliveries and failed tries, in Airflow's asset state store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError

from persado.ledger.records import Failure, LastDelivery
from persado.pipeline.stage.receipt import Receipt
from persado.settings.filenames.template import NameValues

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context

LAST_DELIVERED = "last_delivered"
RUNNING = "running"


class Ledger:
    """
    The records of one asset's deliveries.

    :param context: context of a task that has the asset as an inlet or outlet
    :param asset: the asset of the deliveries
    """

    def __init__(self, context: Context, asset: Asset) -> None:
        self._store: Any = context["asset_state_store"][asset]
        self._run = context["dag_run"]
        self._task = context["ti"]

    def last_delivery(self) -> LastDelivery | None:
        """Return the last delivery; None if there is none."""
        last = self._store.get(LAST_DELIVERED)
        return LastDelivery.model_validate(last) if last else None

    def last_rows(self) -> int | None:
        """Return the number of rows of the last delivery; None if there is none."""
        last = self.last_delivery()
        return None if last is None else last.rows

    def record_delivery(self, receipt: Receipt, values: NameValues) -> None:
        """
        Record a delivery.

        :param values: start and data interval of the run when the rows were read; clearing a run changes its start
        """
        record = receipt.model_dump(mode="json")
        self._store.set(_key(receipt.finished, receipt.delivery_id), record)
        before = self.last_delivery()
        since, until = values.now, values.data_interval_end
        if before is not None and before.until is not None and until is not None and until < before.until:
            # A past interval was sent again: it does not hold the changes since a later delivery.
            since, until = before.since or since, before.until
        last = LastDelivery(rows=receipt.rows, finished=receipt.finished, since=since, until=until)
        self._store.set(LAST_DELIVERED, last.model_dump(mode="json"))

    def record_start(self, failure: Failure) -> None:
        """
        Record that a try starts; if the previous try was killed, record its failure.

        :param failure: the failure to record if this try is killed
        """
        before = self._store.get(RUNNING)
        self._store.set(RUNNING, failure.model_dump(mode="json"))
        if before and not self._is_running(killed := Failure.model_validate(before)):
            self.record_failure(killed)

    def record_end(self) -> None:
        """Record that the try has ended and was not killed."""
        self._store.delete(RUNNING)

    def _is_running(self, attempt: Failure) -> bool:
        """Return whether a try of another run is still running, in a DAG that allows several runs at once."""
        if attempt.run_id == self._run.run_id:
            return False
        states = self._task.get_task_states(dag_id=attempt.dag_id, run_ids=[attempt.run_id])
        return "running" in {state for tasks in states.values() for state in tasks.values()}

    def record_failure(self, failure: Failure) -> None:
        """Record a failed try."""
        self._store.set(_key(failure.finished, failure.delivery_id or "none"), failure.model_dump(mode="json"))


@contextmanager
def ledger_problems(log: Any, what: str = "the ledger") -> Iterator[None]:
    """
    Log a warning if Airflow cannot read or write a record, so that the task goes on with its own result.

    :param what: the name of the store, for the warning
    """
    try:
        yield
    except (AirflowException, AirflowRuntimeError) as problem:
        log.warning("cannot read or write %s: %s", what, type(problem).__name__)


def _key(moment: datetime, delivery_id: str) -> str:
    """Return the key of a record; the timestamp comes first, so that keys sort by time."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}_{delivery_id}"
