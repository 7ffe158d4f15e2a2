"""How the deliveries of an orchestration develop: rows, bytes, duration and success over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from persado.web.entries import Entry

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


def trends(entries: Sequence[Entry]) -> list[Trend]:
    """
    Give the trend of each orchestration.

    :param entries: deliveries and failed tries, newest first
    """
    by_dag: dict[str, list[Point]] = {}
    for entry in entries:
        points = by_dag.setdefault(entry.dag_id, [])
        if len(points) < LATEST and entry.outcome in ("delivered", "failed"):
            points.append(Point.model_validate(entry, from_attributes=True))
    return [
        Trend(
            dag_id=dag_id,
            delivered=sum(point.outcome == "delivered" for point in points),
            points=tuple(reversed(points)),
        )
        for dag_id, points in sorted(by_dag.items())
    ]
