"""The ledger's records other than receipts."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from airflow.sdk.exceptions import AirflowTaskTerminated, AirflowTaskTimeout
from pydantic import BaseModel, ConfigDict

from persado.errors import PersadoError


class Failure(BaseModel):
    """
    A failed try. Like a receipt, it holds no customer's data.

    :param outcome: always ``failed``
    :param delivery_id: None if the try failed before the delivery had an id
    :param triggered_by: the user who started the run; None if it was the schedule or an asset
    :param reason: the reason that this user entered
    :param stage: the stage that failed
    :param try_number: number of the try of the stage's task
    :param error: name of the error's class
    :param message: text of the error
    :param finished: time of the failure, UTC
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
    What the next delivery needs to know about the last one.

    :param rows: number of rows
    :param finished: end of the delivery, UTC
    :param since: start of its run by Airflow's clock; later changes of the source may be missing in the delivery
    :param until: end of its data interval; None without one
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    rows: int
    finished: datetime
    since: datetime | None = None
    until: datetime | None = None


def failure_message(error: BaseException) -> str:
    """Return the text to record for an error; only this project's errors are quoted, others may hold customer data."""
    match error:
        case PersadoError():
            return str(error)
        case AirflowTaskTimeout():
            return "the try took longer than the task's execution_timeout"
        case AirflowTaskTerminated():
            return "the task was stopped from outside: it was marked or cleared, or its worker was shut down"
        case _:
            return "an unexpected error; see the task's log"
