"""
Read the ledger from the metadata database: in the API server and on the command line.

Tasks use :class:`persado.ledger.writer.Ledger` instead.
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
"""Matches the keys of records, which begin with a timestamp, and no other state of an asset."""


def read_history(asset_uri: str, limit: int = 20, *, session: Session | None = None) -> list[Receipt | Failure]:
    """
    Return the records of an asset's deliveries and failed tries, newest first.

    A killed try is included as soon as Airflow knows that it is not running any more.

    :param asset_uri: ``persado://<destination>/<orchestration>``
    :param limit: maximum number of records
    :param session: a session of Airflow's metadata database; None opens one
    """
    if session is None:
        with create_session() as own:
            return read_history(asset_uri, limit, session=own)
    assets = select(AssetModel.id).where(or_(AssetModel.name == asset_uri, AssetModel.uri == asset_uri))
    stored = (
        select(AssetStateStoreModel.key, AssetStateStoreModel.value)
        .where(AssetStateStoreModel.asset_id.in_(assets), IS_RECORD)
        .order_by(AssetStateStoreModel.key.desc())
        .limit(limit)
    )
    killed = [failure for _, failure in killed_tries(assets, session)]
    records = [record for row in session.execute(stored) if (record := read_record(*row)) is not None]
    return sorted([*killed, *records], key=lambda record: record.finished, reverse=True)[:limit]


def find_assets(orchestration: str) -> list[str]:
    """Return the URIs of an orchestration's assets that have records, the newest asset first."""
    named = AssetModel.uri.startswith("persado://"), AssetModel.uri.endswith(f"/{orchestration}", autoescape=True)
    with_records = AssetModel.id.in_(select(AssetStateStoreModel.asset_id))
    with create_session() as session:
        return list(session.scalars(select(AssetModel.uri).where(*named, with_records).order_by(AssetModel.id.desc())))


def killed_tries(assets: Any, session: Session) -> list[tuple[str, Failure]]:
    """
    Return the tries that were killed and are not yet in the ledger, each with its asset's URI.

    :param assets: the ids of the assets, or a query for them
    """
    running = (
        select(AssetModel.uri, AssetStateStoreModel.key, AssetStateStoreModel.value)
        .join(AssetModel, AssetModel.id == AssetStateStoreModel.asset_id)
        .where(AssetStateStoreModel.asset_id.in_(assets), AssetStateStoreModel.key == RUNNING)
    )
    found = [(uri, read_record(key, value)) for uri, key, value in session.execute(running)]
    return [(uri, record) for uri, record in found if isinstance(record, Failure) and not _is_running(record, session)]


def _is_running(record: Failure, session: Session) -> bool:
    """Return whether a try is still running; a try deletes its record at its end, unless it is killed."""
    task = (
        TaskInstance.dag_id == record.dag_id,
        TaskInstance.run_id == record.run_id,
        TaskInstance.task_id == record.stage,
    )
    found = session.execute(select(TaskInstance.state, TaskInstance.try_number).where(*task)).one_or_none()
    # In a hand-written DAG the task id may differ from the stage; without a match, assume that the try is running.
    return found is None or tuple(found) == (TaskInstanceState.RUNNING, record.try_number)


def read_record(key: str, value: str) -> Receipt | Failure | None:
    """
    Parse a record from the state store.

    :param value: the record as JSON
    :return: the record; None if it is invalid
    """
    try:
        content = json.loads(value)
        failed = isinstance(content, dict) and content.get("outcome") == "failed"
        return (Failure if failed else Receipt).model_validate(content)
    except (ValueError, ValidationError) as error:
        # Written by another version of this project, or by a state store backend of the workers.
        _LOG.warning("cannot read the ledger record %s: %s", key, type(error).__name__)
        return None
