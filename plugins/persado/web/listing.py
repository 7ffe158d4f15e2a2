"""
Every delivery and every failed try, newest first, a page at a time.

The database sorts, counts and cuts; only the records of the page that is shown are read, however long the ledger is. A
text is looked for in what the page shows of a record, so those that hold it anywhere are read for that.
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
class Wanted:
    """
    Which entries are wanted; an empty condition is none.

    :param dag_id: only those of this DAG
    :param run_id: only those of this run
    :param outcome: only those of this outcome
    :param text: only those that hold it, upper or lower case, in a name, path, id, user, reason or error
    """

    dag_id: str = ""
    run_id: str = ""
    outcome: str = ""
    text: str = ""


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


class Tally(BaseModel):
    """
    How often a DAG had an outcome.

    :param tries: how often
    :param latest: the latest entry of that outcome
    """

    model_config = ConfigDict(frozen=True)

    tries: int
    latest: Entry


def find(dag_ids: Collection[str], wanted: Wanted, page: int = 1, per_page: int = PER_PAGE) -> Page[Entry]:
    """
    Give a page of entries; beyond the last one there is the last one.

    :param dag_ids: the DAGs whose entries may be seen
    :param wanted: which entries
    :param page: the page's number, from 1
    :param per_page: how many entries a page has
    """
    text = wanted.text.strip().lower()
    with create_session() as session:
        killed = [entry for entry in _killed(session, dag_ids) if _fits(entry, wanted, text)]
        chosen = _chosen(session, dag_ids, wanted, text)
        if text:
            found = [entry for entry in _entries(session.execute(chosen), dag_ids) if text in entry.searchable]
            total = len(found) + len(killed)
            start, page, pages = _within(page, per_page, total)
            shown = _newest_first([*found, *killed])[start : start + per_page]
        else:
            counted = session.scalar(select(func.count()).select_from(chosen.order_by(None).subquery())) or 0
            total = counted + len(killed)
            start, page, pages = _within(page, per_page, total)
            # So many records more before and behind the page as there are tries to be put between them.
            first = max(0, start - len(killed))
            rows = session.execute(chosen.offset(first).limit(per_page + len(killed)))
            records = list(_entries(rows, dag_ids))
            before = [entry for entry in killed if first and records and entry.finished > records[0].finished]
            rest = [entry for entry in killed if entry not in before]
            start -= first + len(before)
            shown = _newest_first([*records, *rest])[start : start + per_page]
    return Page(items=tuple(shown), page=page, pages=pages, total=total)


def tallies(dag_ids: Collection[str]) -> list[Tally]:
    """
    Count the entries of each DAG and outcome.

    :param dag_ids: the DAGs whose entries may be seen
    """
    with create_session() as session:
        seen = _seen(session, dag_ids)
        grouped = (Record.asset_id, Record.last_updated_by_dag_id, _holds("outcome", "failed"))
        counted = select(Record.asset_id, func.max(Record.key), func.count()).where(*seen).group_by(*grouped)
        tries = {(asset, key): count for asset, key, count in session.execute(counted)}
        newest = _records().where(*seen, Record.key.in_({key for _, key in tries}))
        latest = [
            (entry, tries.get((row.asset_id, row.key), 0))
            for row in session.execute(newest)
            for entry in _entries([row], dag_ids)
        ]
        latest += [(entry, 1) for entry in _killed(session, dag_ids)]
    found: dict[tuple[str, str], Tally] = {}
    # An orchestration that has changed its destination has had several assets.
    for entry, count in sorted(latest, key=lambda counted: counted[0].finished):
        before = found.get(outcome := (entry.dag_id, entry.outcome))
        found[outcome] = Tally(tries=count + (before.tries if before else 0), latest=entry)
    return [found[key] for key in sorted(found)]


def _chosen(session: Session, dag_ids: Collection[str], wanted: Wanted, text: str) -> Select[str, int, str, str]:
    names = {wanted.dag_id} & set(dag_ids) if wanted.dag_id else dag_ids
    conditions = _seen(session, names)
    conditions += [_holds(key, value) for key in ("run_id", "outcome") if (value := getattr(wanted, key))]
    if text and text.isascii():
        # Quicker than to read all; where in the record the text is, the record itself tells.
        kept = json.dumps(text)[1:-1]
        places = (Record.value, AssetModel.uri)
        conditions.append(or_(*(func.lower(place).contains(kept, autoescape=True) for place in places)))
    return _records().where(*conditions).order_by(Record.key.desc())


def _records() -> Select[str, int, str, str]:
    return select(AssetModel.uri, Record.asset_id, Record.key, Record.value).join(
        AssetModel, AssetModel.id == Record.asset_id
    )


def _seen(session: Session, dag_ids: Collection[str]) -> list[ColumnElement[bool]]:
    """Give what holds for the records that may be seen."""
    assets = session.execute(select(AssetModel.id, AssetModel.uri).where(_IS_DELIVERY)).all()
    # What no task has written is the orchestration's whose asset it is kept with.
    named = [asset for asset, uri in assets if uri.rpartition("/")[2] in dag_ids]
    written_by = Record.last_updated_by_dag_id
    return [
        IS_RECORD,
        Record.asset_id.in_([asset for asset, _ in assets]),
        or_(written_by.in_(list(dag_ids)), and_(written_by.is_(None), Record.asset_id.in_(named))),
    ]


def _holds(key: str, value: str) -> ColumnElement[bool]:
    # As Airflow's store writes it. Inside a text of the record the quotes would be escaped.
    return Record.value.contains(f'"{key}": {json.dumps(value)}', autoescape=True)


def _entries(rows: Iterable[Any], dag_ids: Collection[str]) -> Iterator[Entry]:
    for row in rows:
        record = read_record(row.key, row.value)
        # The record itself has the last word on whose it is.
        if record is not None and record.dag_id in dag_ids:
            yield entry_of(row.uri, record)


def _killed(session: Session, dag_ids: Collection[str]) -> list[Entry]:
    """Give the tries that were killed and have no record yet; one an orchestration, at most."""
    assets = select(AssetModel.id).where(_IS_DELIVERY)
    return [entry_of(uri, note) for uri, note in killed_tries(assets, session) if note.dag_id in dag_ids]


def _fits(entry: Entry, wanted: Wanted, text: str) -> bool:
    conditions = ((key, getattr(wanted, key)) for key in ("dag_id", "run_id", "outcome"))
    return all(value in ("", getattr(entry, key)) for key, value in conditions) and text in entry.searchable


def _newest_first(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.finished, reverse=True)


def _within(page: int, per_page: int, total: int) -> tuple[int, int, int]:
    """Give where the page that there is begins, its number, and how many pages there are."""
    pages = max(1, -(-total // per_page))
    page = min(max(page, 1), pages)
    return (page - 1) * per_page, page, pages
