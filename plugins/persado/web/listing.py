"""
All deliveries and failed tries, newest first, one page at a time.

The database sorts, counts and limits, so that only the records of one page are read, however long the ledger is. A text
search reads every record that contains the text anywhere, because it matches only what the page shows of a record.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow.models.asset import AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel as Record
from airflow.utils.session import create_session
from pydantic import BaseModel, ConfigDict
from sqlalchemy import and_, func, or_, select

from persado.ledger.reader import IS_RECORD, killed_tries, read_record
from persado.web.entries import Entry, entry_of

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

PER_PAGE = 25

_IS_DELIVERY = AssetModel.uri.startswith("persado://")

Item = TypeVar("Item")


@dataclass(frozen=True)
class Filters:
    """
    Conditions on entries; an empty one does not apply.

    :param text: contained in a name, path, id, user, reason or error, ignoring case
    """

    dag_id: str = ""
    run_id: str = ""
    outcome: str = ""
    text: str = ""


class Page(BaseModel, Generic[Item]):
    """
    One page of a list.

    :param page: its number, from 1
    :param pages: the number of pages, at least 1
    :param total: the number of items on all pages
    """

    model_config = ConfigDict(frozen=True)

    items: tuple[Item, ...]
    page: int
    pages: int
    total: int


class Tally(BaseModel):
    """
    How often a DAG had an outcome.

    :param tries: the number of entries
    :param latest: the latest entry
    """

    model_config = ConfigDict(frozen=True)

    tries: int
    latest: Entry


def find(dag_ids: Collection[str], filters: Filters, page: int = 1, per_page: int = PER_PAGE) -> Page[Entry]:
    """
    Return a page of entries.

    :param dag_ids: the DAGs whose entries the user may see
    :param page: the page's number, from 1; a number that is too high returns the last page
    """
    text = filters.text.strip().lower()
    with create_session() as session:
        killed = [entry for entry in _killed(session, dag_ids) if _matches(entry, filters, text)]
        query = _query(session, dag_ids, filters, text)
        if text:
            found = [entry for entry in _entries(session.execute(query), dag_ids) if text in entry.searchable]
            total = len(found) + len(killed)
            start, page, pages = _clamp(page, per_page, total)
            shown = _newest_first([*found, *killed])[start : start + per_page]
        else:
            counted = session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
            total = counted + len(killed)
            start, page, pages = _clamp(page, per_page, total)
            # Killed tries have no record. Read len(killed) more records on either side of the page to merge them in.
            first = max(0, start - len(killed))
            rows = session.execute(query.offset(first).limit(per_page + len(killed)))
            records = list(_entries(rows, dag_ids))
            before = [entry for entry in killed if first and records and entry.finished > records[0].finished]
            rest = [entry for entry in killed if entry not in before]
            start -= first + len(before)
            shown = _newest_first([*records, *rest])[start : start + per_page]
    return Page(items=tuple(shown), page=page, pages=pages, total=total)


def tallies(dag_ids: Collection[str]) -> list[Tally]:
    """Count the entries of each DAG and outcome."""
    with create_session() as session:
        visible = _visible(session, dag_ids)
        grouped = (Record.asset_id, Record.last_updated_by_dag_id, _contains("outcome", "failed"))
        counted = select(Record.asset_id, func.max(Record.key), func.count()).where(*visible).group_by(*grouped)
        tries = {(asset, key): count for asset, key, count in session.execute(counted)}
        newest = _records().where(*visible, Record.key.in_({key for _, key in tries}))
        latest = [
            (entry, tries.get((row.asset_id, row.key), 0))
            for row in session.execute(newest)
            for entry in _entries([row], dag_ids)
        ]
        latest += [(entry, 1) for entry in _killed(session, dag_ids)]
    found: dict[tuple[str, str], Tally] = {}
    # An orchestration whose destination was changed has several assets.
    for entry, count in sorted(latest, key=lambda counted: counted[0].finished):
        before = found.get(outcome := (entry.dag_id, entry.outcome))
        found[outcome] = Tally(tries=count + (before.tries if before else 0), latest=entry)
    return [found[key] for key in sorted(found)]


def _query(session: Session, dag_ids: Collection[str], filters: Filters, text: str) -> Select[str, int, str, str]:
    names = {filters.dag_id} & set(dag_ids) if filters.dag_id else dag_ids
    conditions = _visible(session, names)
    conditions += [_contains(key, value) for key in ("run_id", "outcome") if (value := getattr(filters, key))]
    if text and text.isascii():
        # Narrow the search in the database; the caller checks in which field of the record the text is.
        stored = json.dumps(text)[1:-1]
        columns = (Record.value, AssetModel.uri)
        conditions.append(or_(*(func.lower(column).contains(stored, autoescape=True) for column in columns)))
    return _records().where(*conditions).order_by(Record.key.desc())


def _records() -> Select[str, int, str, str]:
    return select(AssetModel.uri, Record.asset_id, Record.key, Record.value).join(
        AssetModel, AssetModel.id == Record.asset_id
    )


def _visible(session: Session, dag_ids: Collection[str]) -> list[ColumnElement[bool]]:
    """Return the conditions for records of these DAGs."""
    assets = session.execute(select(AssetModel.id, AssetModel.uri).where(_IS_DELIVERY)).all()
    # A record that no task has written belongs to the orchestration named in the asset.
    named = [asset for asset, uri in assets if uri.rpartition("/")[2] in dag_ids]
    written_by = Record.last_updated_by_dag_id
    return [
        IS_RECORD,
        Record.asset_id.in_([asset for asset, _ in assets]),
        or_(written_by.in_(list(dag_ids)), and_(written_by.is_(None), Record.asset_id.in_(named))),
    ]


def _contains(key: str, value: str) -> ColumnElement[bool]:
    # Airflow's store writes JSON in this form. Inside a string of the record the quotes would be escaped.
    return Record.value.contains(f'"{key}": {json.dumps(value)}', autoescape=True)


def _entries(rows: Iterable[Any], dag_ids: Collection[str]) -> Iterator[Entry]:
    for row in rows:
        record = read_record(row.key, row.value)
        # The DAG named in the record itself decides who may see it.
        if record is not None and record.dag_id in dag_ids:
            yield entry_of(row.uri, record)


def _killed(session: Session, dag_ids: Collection[str]) -> list[Entry]:
    """Return the tries that were killed and have no record yet, at most one per orchestration."""
    assets = select(AssetModel.id).where(_IS_DELIVERY)
    return [entry_of(uri, failure) for uri, failure in killed_tries(assets, session) if failure.dag_id in dag_ids]


def _matches(entry: Entry, filters: Filters, text: str) -> bool:
    conditions = ((key, getattr(filters, key)) for key in ("dag_id", "run_id", "outcome"))
    return all(value in ("", getattr(entry, key)) for key, value in conditions) and text in entry.searchable


def _newest_first(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.finished, reverse=True)


def _clamp(page: int, per_page: int, total: int) -> tuple[int, int, int]:
    """Return the offset and the number of the nearest existing page, and the number of pages."""
    pages = max(1, -(-total // per_page))
    page = min(max(page, 1), pages)
    return (page - 1) * per_page, page, pages
