"""
Read the ledger from outside of tasks: in the API server and on the command line, where the metadata database is.

Inside a task :class:`persado.ledger.Ledger` reads and writes it.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from airflow.models.asset import AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from pydantic import ValidationError
from sqlalchemy import or_, select

from persado.ledger import RUNNING, Failure
from persado.pipeline.receipt import Receipt

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_LOG = logging.getLogger(__name__)


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
    stored = select(AssetStateStoreModel.key, AssetStateStoreModel.value).where(
        AssetStateStoreModel.asset_id.in_(assets)
    )
    # The keys of records begin with the moment; other state of the asset does not count.
    kept = stored.where(AssetStateStoreModel.key.like("2___-__-__T%")).order_by(AssetStateStoreModel.key.desc())
    notes = [_record(*row) for row in session.execute(stored.where(AssetStateStoreModel.key == RUNNING))]
    killed = [note for note in notes if isinstance(note, Failure) and not _runs(note, session)]
    records = [record for row in session.execute(kept.limit(limit)) if (record := _record(*row)) is not None]
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


def _runs(note: Failure, session: Session) -> bool:
    """Whether the try still runs that left the note; its end removes the note, unless the try was killed."""
    task = (TaskInstance.dag_id == note.dag_id, TaskInstance.run_id == note.run_id, TaskInstance.task_id == note.stage)
    found = session.execute(select(TaskInstance.state, TaskInstance.try_number).where(*task)).one_or_none()
    # A DAG that a person wrote may name its tasks otherwise: nobody can tell then.
    return found is None or tuple(found) == (TaskInstanceState.RUNNING, note.try_number)


def _record(key: str, value: str) -> Receipt | Failure | None:
    try:
        content = json.loads(value)
        failed = isinstance(content, dict) and content.get("outcome") == "failed"
        return (Failure if failed else Receipt).model_validate(content)
    except (ValueError, ValidationError) as error:
        # Such as one that another version of this project, or a state store backend of the workers, has written.
        _LOG.warning("the ledger's record %s cannot be read: %s", key, type(error).__name__)
        return None
