"""What the ledger keeps of a delivery besides its receipt."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from airflow.sdk.exceptions import AirflowTaskTerminated, AirflowTaskTimeout
from pydantic import BaseModel, ConfigDict

from persado.errors import PersadoError


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
