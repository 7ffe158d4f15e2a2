"""How the deliveries of an orchestration develop: rows, bytes, duration and success over time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from persado.web.entries import Entry
from persado.web.listing import Wanted, find, tallies

LATEST = 60
"""How many deliveries and failed tries a trend shows."""


class Point(BaseModel):
    """
    A delivery or a failed try.

    :param run_id: its run
    :param finished: when it ended, UTC
    :param outcome: ``delivered`` or ``failed``
    :param rows: the rows delivered
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
    """
    Give the trend of each orchestration that has delivered or tried to.

    :param dag_ids: the DAGs whose trends are wanted
    """
    names = sorted({tally.latest.dag_id for tally in tallies(dag_ids)})
    return [_trend(name, find({name}, Wanted(), per_page=LATEST).items) for name in names]


def _trend(dag_id: str, latest: Sequence[Entry]) -> Trend:
    points = tuple(Point.model_validate(entry, from_attributes=True) for entry in reversed(latest))
    return Trend(dag_id=dag_id, delivered=sum(point.outcome == "delivered" for point in points), points=points)
