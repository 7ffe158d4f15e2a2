"""The deliveries of an orchestration over time: rows, bytes, duration and success."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from persado.web.entries import Entry
from persado.web.listing import Filters, find, tallies

LATEST = 60
"""A trend shows this many deliveries and failed tries at most."""


class Point(BaseModel):
    """
    A delivery or a failed try.

    :param finished: when it ended, UTC
    :param outcome: ``delivered`` or ``failed``
    :param bytes: the bytes at the site
    :param seconds: how long it took
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    finished: datetime
    outcome: str
    rows: int | None
    bytes: int | None
    seconds: float | None


class Trend(BaseModel):
    """
    The latest deliveries of an orchestration.

    :param dag_id: the DAG, which is the orchestration
    :param delivered: how many of the points are deliveries
    :param points: deliveries and failed tries, oldest first
    """

    model_config = ConfigDict(frozen=True)

    dag_id: str
    delivered: int
    points: tuple[Point, ...]


def trends(dag_ids: Collection[str]) -> list[Trend]:
    """Return the trend of each of these DAGs that has entries in the ledger."""
    names = sorted({tally.latest.dag_id for tally in tallies(dag_ids)})
    return [_trend(name, find({name}, Filters(), per_page=LATEST).items) for name in names]


def _trend(dag_id: str, latest: Sequence[Entry]) -> Trend:
    points = tuple(Point.model_validate(entry, from_attributes=True) for entry in reversed(latest))
    return Trend(dag_id=dag_id, delivered=sum(point.outcome == "delivered" for point in points), points=points)
