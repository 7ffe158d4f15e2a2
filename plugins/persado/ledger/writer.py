"""The ledger of deliveries: Airflow's asset state store keeps a record of every try, failures too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError, AirflowTaskTerminated, AirflowTaskTimeout
from pydantic import BaseModel, ConfigDict

from persado.errors import PersadoError
from persado.pipeline.stage.receipt import Receipt
from persado.settings.filenames.template import NameValues

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context

LAST_DELIVERED = "last_delivered"
RUNNING = "running"


class Failure(BaseModel):
    """
    A try that failed. Like a receipt, it holds no customer's data.

    :param outcome: ``failed``
    :param delivery_id: the delivery's id; None where it failed before it had one
    :param dag_id: the DAG
    :param run_id: the DAG run
    :param triggered_by: the user who started the run; None where the schedule or an asset did
    :param reason: why that user says that the run is made
    :param stage: the stage that failed
    :param try_number: which try of the stage's task it was
    :param error: the class of the error
    :param message: what it says
    :param finished: when it failed, UTC
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Literal["failed"] = "failed"
    delivery_id: str | None
    dag_id: str
    run_id: str
    triggered_by: str | None
    reason: str | None = None
    stage: str
    try_number: int
    error: str
    message: str
    finished: datetime


class LastDelivery(BaseModel):
    """
    What counts of the last delivery when the next one comes.

    :param rows: its rows
    :param finished: when it ended, UTC
    :param since: when its run began, by Airflow's own clock; what changed later may not be in it
    :param until: the end of its data interval; of later intervals nothing is in it
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    rows: int
    finished: datetime
    since: datetime | None = None
    until: datetime | None = None


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


def told(error: BaseException) -> str:
    """
    Say what a record may say of an error; the text of any but the project's own may quote a customer.

    :param error: the error
    """
    match error:
        case PersadoError():
            return str(error)
        case AirflowTaskTimeout():
            return "the try took longer than the task's execution_timeout"
        case AirflowTaskTerminated():
            return "the task was stopped from outside: it was marked or cleared, or its worker was shut down"
        case _:
            return "an unexpected error; the task's log has its text"


def _key(moment: datetime, delivery_id: str) -> str:
    """Keys are listed in their order: the moment comes first."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}_{delivery_id}"
