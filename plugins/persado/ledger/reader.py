"""
Read the ledger from outside of tasks: in the API server and on the command line, where the metadata database is.

Inside a task :class:`persado.ledger.writer.Ledger` reads and writes it.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from airflow.models.asset import AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from pydantic import ValidationError
from sqlalchemy import or_, select

from persado.ledger.records import Failure
from persado.ledger.writer import RUNNING
from persado.pipeline.stage.receipt import Receipt

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_LOG = logging.getLogger(__name__)

IS_RECORD = AssetStateStoreModel.key.like("2___-__-__T%")
"""The keys of records begin with the moment; other state of an asset does not count."""


def read_history(asset_uri: str, limit: int = 20, *, session: Session | None = None) -> list[Receipt | Failure]:
    """
    Give the records of an asset's deliveries, newest first: what was delivered, and each try that failed.

    A try that was killed is among them as soon as Airflow knows that it does not run any more.

    :param asset_uri: ``persado://<destination>/<orchestration>``
    :param limit: how many records at most
    :param session: a session of Airflow's metadata database; None opens one
    """
    if session is None:
        with create_session() as own:
            return read_history(asset_uri, limit, session=own)
    assets = select(AssetModel.id).where(or_(AssetModel.name == asset_uri, AssetModel.uri == asset_uri))
    kept = (
        select(AssetStateStoreModel.key, AssetStateStoreModel.value)
        .where(AssetStateStoreModel.asset_id.in_(assets), IS_RECORD)
        .order_by(AssetStateStoreModel.key.desc())
        .limit(limit)
    )
    killed = [note for _, note in killed_tries(assets, session)]
    records = [record for row in session.execute(kept) if (record := read_record(*row)) is not None]
    return sorted([*killed, *records], key=lambda record: record.finished, reverse=True)[:limit]


def find_assets(orchestration: str) -> list[str]:
    """
    Give the assets of an orchestration's deliveries that Airflow has records of, the newest asset first.

    :param orchestration: its name
    """
    named = AssetModel.uri.startswith("persado://"), AssetModel.uri.endswith(f"/{orchestration}", autoescape=True)
    with_records = AssetModel.id.in_(select(AssetStateStoreModel.asset_id))
    with create_session() as session:
        return list(session.scalars(select(AssetModel.uri).where(*named, with_records).order_by(AssetModel.id.desc())))


def killed_tries(assets: Any, session: Session) -> list[tuple[str, Failure]]:
    """
    Give the tries that were killed and of which there is no record yet, each with its asset's URI.

    :param assets: the ids of the assets, or a query for them
    :param session: a session of Airflow's metadata database
    """
    notes = (
        select(AssetModel.uri, AssetStateStoreModel.key, AssetStateStoreModel.value)
        .join(AssetModel, AssetModel.id == AssetStateStoreModel.asset_id)
        .where(AssetStateStoreModel.asset_id.in_(assets), AssetStateStoreModel.key == RUNNING)
    )
    found = [(uri, read_record(key, value)) for uri, key, value in session.execute(notes)]
    return [(uri, note) for uri, note in found if isinstance(note, Failure) and not _runs(note, session)]


def _runs(note: Failure, session: Session) -> bool:
    """Whether the try still runs that left the note; its end removes the note, unless the try was killed."""
    task = (TaskInstance.dag_id == note.dag_id, TaskInstance.run_id == note.run_id, TaskInstance.task_id == note.stage)
    found = session.execute(select(TaskInstance.state, TaskInstance.try_number).where(*task)).one_or_none()
    # A DAG that a person wrote may name its tasks otherwise: nobody can tell then.
    return found is None or tuple(found) == (TaskInstanceState.RUNNING, note.try_number)


def read_record(key: str, value: str) -> Receipt | Failure | None:
    """
    Read a record as the store keeps it.

    :param key: its key
    :param value: its JSON
    :return: None where it cannot be read
    """
    try:
        content = json.loads(value)
        failed = isinstance(content, dict) and content.get("outcome") == "failed"
        return (Failure if failed else Receipt).model_validate(content)
    except (ValueError, ValidationError) as error:
        # Such as one that another version of this project, or a state store backend of the workers, has written.
        _LOG.warning("the ledger's record %s cannot be read: %s", key, type(error).__name__)
        return None
