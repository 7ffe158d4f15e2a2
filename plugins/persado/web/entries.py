"""The ledger's records as the page lists them: every delivery and every failed try, newest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from airflow.models.asset import AssetModel
from airflow.utils.session import create_session
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from persado.ledger import Failure
from persado.ledger_reader import read_history
from persado.pipeline.receipt import DeliveredFile, Receipt, StageRecord

MOST = 2000
"""The records that are looked at of one asset; older ones stay in the ledger."""

PER_PAGE = 25

Item = TypeVar("Item")


class Entry(BaseModel):
    """
    A delivery, or a try that failed. What does not apply is None or empty.

    :param outcome: ``delivered``, ``failed``, or what else a receipt says
    :param dag_id: the DAG, which is the orchestration
    :param run_id: the DAG run
    :param destination: where to
    :param delivery_id: the delivery's id
    :param triggered_by: the user who started the run; None where the schedule or an asset did
    :param reason: why, as that user said
    :param started: when the first stage began, UTC
    :param finished: when it ended, UTC
    :param seconds: how long it took
    :param rows: the rows delivered
    :param bytes: the bytes at the site
    :param files: the files at the site
    :param stages: what each stage did
    :param done_path: the full path of the success file
    :param key_fingerprint: the OpenPGP key that the files are encrypted to
    :param query_sha256: the SHA-256 of the query as it was run
    :param read_by: how the rows were read
    :param warnings: what did not stop the delivery
    :param stage: the stage that failed
    :param try_number: which try of the stage's task it was
    :param error: the class of the error
    :param message: what the error says
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


class Page(BaseModel, Generic[Item]):
    """
    A part of a list.

    :param items: what is on the page
    :param page: its number, from 1
    :param pages: how many there are, at least one
    :param total: how many items there are in all
    """

    model_config = ConfigDict(frozen=True)

    items: tuple[Item, ...]
    page: int
    pages: int
    total: int


def read_entries(dag_ids: Collection[str]) -> list[Entry]:
    """
    Read the ledger, newest first.

    :param dag_ids: the DAGs whose records are wanted
    """
    with create_session() as session:
        uris = session.scalars(select(AssetModel.uri).where(AssetModel.uri.startswith("persado://"))).all()
        found = [
            _entry(uri, record)
            for uri in uris
            for record in read_history(uri, MOST, session=session)
            if record.dag_id in dag_ids
        ]
    return sorted(found, key=lambda entry: entry.finished, reverse=True)


def choose(
    entries: Sequence[Entry], *, dag_id: str = "", run_id: str = "", outcome: str = "", text: str = ""
) -> list[Entry]:
    """
    Pick entries; an empty condition is none.

    :param entries: all of them
    :param dag_id: only of this DAG
    :param run_id: only of this run
    :param outcome: only of this outcome
    :param text: only those that hold it, upper or lower case, in a name, path, id, user, reason or error
    """
    return [
        entry
        for entry in entries
        if dag_id in ("", entry.dag_id)
        and run_id in ("", entry.run_id)
        and outcome in ("", entry.outcome)
        and text.strip().lower() in _text(entry)
    ]


def paginate(items: Sequence[Item], page: int, per_page: int = PER_PAGE) -> Page[Item]:
    """
    Cut a page out of a list; beyond the last one there is the last one.

    :param items: all of them
    :param page: the page's number, from 1
    :param per_page: how many items a page has
    """
    pages = max(1, -(-len(items) // per_page))
    page = min(max(page, 1), pages)
    return Page(items=tuple(items[(page - 1) * per_page : page * per_page]), page=page, pages=pages, total=len(items))


def _text(entry: Entry) -> str:
    words = (
        *(entry.dag_id, entry.run_id, entry.destination, entry.delivery_id, entry.triggered_by, entry.reason),
        *(entry.stage, entry.error, entry.message, entry.done_path, entry.key_fingerprint),
        *(text for file in entry.files for text in (file.remote_path, file.sha256)),
    )
    return "\n".join(word for word in words if word).lower()


def _entry(uri: str, record: Receipt | Failure) -> Entry:
    shared: dict[str, Any] = {
        name: getattr(record, name)
        for name in ("outcome", "dag_id", "run_id", "delivery_id", "triggered_by", "finished")
    }
    shared["reason"] = getattr(record, "reason", None)
    if isinstance(record, Failure):
        failed = {name: getattr(record, name) for name in ("stage", "try_number", "error", "message")}
        return Entry(**shared, destination=uri.removeprefix("persado://").partition("/")[0], **failed)
    kept = ("destination", "started", "rows", "files", "stages", "done_path", "key_fingerprint")
    delivered = {name: getattr(record, name) for name in (*kept, "query_sha256", "read_by", "warnings")}
    return Entry(
        **shared,
        **delivered,
        seconds=(record.finished - record.started).total_seconds(),
        bytes=sum(file.bytes for file in record.files),
    )
