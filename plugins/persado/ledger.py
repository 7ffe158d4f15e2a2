"""The ledger of deliveries: Airflow's asset state store keeps a record of every try, failures too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from persado.pipeline.receipt import Receipt

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context

LAST_DELIVERED = "last_delivered"


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
    :param run_id: its DAG run
    :param since: when that run began, by Airflow's own clock; what changed later may not be in it
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    rows: int
    finished: datetime
    run_id: str | None = None
    since: datetime | None = None


class Ledger:
    """
    The records of one asset's deliveries.

    :param context: the task's context; the asset must be an inlet or outlet of the task
    :param asset: the asset that the deliveries update
    """

    def __init__(self, context: Context, asset: Asset) -> None:
        self._store: Any = context["asset_state_store"][asset]
        self._run = context["dag_run"]

    def last_delivery(self) -> LastDelivery | None:
        """Tell what was delivered last; None before the first time."""
        last = self._store.get(LAST_DELIVERED)
        return LastDelivery.model_validate(last) if last else None

    def last_rows(self) -> int | None:
        """Give how many rows the last delivery had; None before the first."""
        last = self.last_delivery()
        return None if last is None else last.rows

    def delivered(self, receipt: Receipt) -> None:
        """Keep the receipt of a delivery."""
        record = receipt.model_dump(mode="json")
        self._store.set(_key(receipt.finished, receipt.delivery_id), record)
        last = LastDelivery(
            rows=receipt.rows, finished=receipt.finished, run_id=receipt.run_id, since=self._run.start_date
        )
        self._store.set(LAST_DELIVERED, last.model_dump(mode="json"))

    def failed(self, failure: Failure) -> None:
        """Keep the record of a try that failed."""
        self._store.set(_key(failure.finished, failure.delivery_id or "none"), failure.model_dump(mode="json"))


def _key(moment: datetime, delivery_id: str) -> str:
    """Keys are listed in their order: the moment comes first."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}_{delivery_id}"
