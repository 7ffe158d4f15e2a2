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
from airflow.utils.session import create_session
from pydantic import ValidationError
from sqlalchemy import or_, select

from persado.ledger import Failure
from persado.pipeline.receipt import Receipt

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_LOG = logging.getLogger(__name__)


def read_history(asset_uri: str, limit: int = 20, *, session: Session | None = None) -> list[Receipt | Failure]:
    """
    Give the records of an asset's deliveries, newest first: what was delivered, and each try that failed.

    :param asset_uri: ``persado://<destination>/<orchestration>``
    :param limit: how many records at most
    :param session: a session of Airflow's metadata database; None opens one
    """
    if session is None:
        with create_session() as own:
            return read_history(asset_uri, limit, session=own)
    assets = select(AssetModel.id).where(or_(AssetModel.name == asset_uri, AssetModel.uri == asset_uri))
    rows = session.execute(
        select(AssetStateStoreModel.key, AssetStateStoreModel.value)
        # The keys of records begin with the moment; other state of the asset does not count.
        .where(AssetStateStoreModel.asset_id.in_(assets), AssetStateStoreModel.key.like("2___-__-__T%"))
        .order_by(AssetStateStoreModel.key.desc())
        .limit(limit)
    )
    records = [_record(key, value) for key, value in rows]
    return [record for record in records if record is not None]


def _record(key: str, value: str) -> Receipt | Failure | None:
    try:
        content = json.loads(value)
        failed = isinstance(content, dict) and content.get("outcome") == "failed"
        return (Failure if failed else Receipt).model_validate(content)
    except (ValueError, ValidationError) as error:
        # Such as one that another version of this project, or a state store backend of the workers, has written.
        _LOG.warning("the ledger's record %s cannot be read: %s", key, type(error).__name__)
        return None
