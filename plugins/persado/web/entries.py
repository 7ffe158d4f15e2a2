"""A record of the ledger as the page shows it: a delivery or a failed try."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from persado.ledger.records import Failure
from persado.pipeline.stage.receipt import DeliveredFile, Receipt, StageRecord


class Entry(BaseModel):
    """
    A delivery or a failed try. Fields that do not apply are None or empty.

    :param outcome: ``delivered``, ``failed``, or any other outcome in a receipt
    :param dag_id: the DAG, which is the orchestration
    :param run_id: the DAG run
    :param destination: the destination's name
    :param triggered_by: the user who started the run; None if the schedule or an asset did
    :param reason: that user's reason
    :param started: when the first stage began, UTC
    :param finished: when it ended, UTC
    :param seconds: how long it took
    :param bytes: the bytes at the site
    :param files: the files at the site
    :param done_path: the full path of the success file
    :param key_fingerprint: the OpenPGP key for which the files are encrypted
    :param query_sha256: the SHA-256 of the rendered query
    :param read_by: how the rows were read
    :param warnings: problems that did not stop the delivery
    :param stage: the stage that failed
    :param try_number: the try of the stage's task, from 1
    :param error: the class of the error
    :param message: the text of the error
    """

    model_config = ConfigDict(frozen=True)

    outcome: str
    dag_id: str
    run_id: str
    destination: str
    delivery_id: str | None
    triggered_by: str | None
    reason: str | None = None
    started: datetime | None = None
    finished: datetime
    seconds: float | None = None
    rows: int | None = None
    bytes: int | None = None
    files: tuple[DeliveredFile, ...] = ()
    stages: tuple[StageRecord, ...] = ()
    done_path: str | None = None
    key_fingerprint: str | None = None
    query_sha256: str | None = None
    read_by: str | None = None
    warnings: tuple[str, ...] = ()
    stage: str | None = None
    try_number: int | None = None
    error: str | None = None
    message: str | None = None

    @property
    def searchable(self) -> str:
        """The names, paths, ids, user, reason and error, in lower case."""
        words = (
            *(self.dag_id, self.run_id, self.destination, self.delivery_id, self.triggered_by, self.reason),
            *(self.stage, self.error, self.message, self.done_path, self.key_fingerprint),
            *(text for file in self.files for text in (file.remote_path, file.sha256)),
        )
        return "\n".join(word for word in words if word).lower()


def entry_of(asset_uri: str, record: Receipt | Failure) -> Entry:
    """Return the entry for a record that is stored in the state of an asset."""
    shared: dict[str, Any] = {
        name: getattr(record, name)
        for name in ("outcome", "dag_id", "run_id", "delivery_id", "triggered_by", "finished")
    }
    shared["reason"] = getattr(record, "reason", None)
    if isinstance(record, Failure):
        failed = {name: getattr(record, name) for name in ("stage", "try_number", "error", "message")}
        return Entry(**shared, destination=asset_uri.removeprefix("persado://").partition("/")[0], **failed)
    copied = ("destination", "started", "rows", "files", "stages", "done_path", "key_fingerprint")
    delivered = {name: getattr(record, name) for name in (*copied, "query_sha256", "read_by", "warnings")}
    return Entry(
        **shared,
        **delivered,
        seconds=(record.finished - record.started).total_seconds(),
        bytes=sum(file.bytes for file in record.files),
    )
