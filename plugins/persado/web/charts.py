"""The geometry of the trend's charts, which the templates draw as SVG: a bar a delivery, a mark a failed try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from persado.web.pages import count, duration, moment, size
from persado.web.trends import Point, Trend

WIDTH, HEIGHT = 320, 90
_WIDEST = 14.0  # so that a few deliveries do not become a wall
_NARROWEST_CROSS = 5.0


@dataclass(frozen=True)
class Mark:
    """
    What stands for a delivery or a failed try, in the chart's own units.

    :param x: its left side
    :param y: its upper side
    :param width: how wide it is
    :param height: how high it is
    :param failed: whether it is a failed try
    :param title: what it tells
    """

    x: float
    y: float
    width: float
    height: float
    failed: bool
    title: str


@dataclass(frozen=True)
class Chart:
    """
    One measure over time.

    :param name: the measure
    :param latest: the value of the latest delivery, or what comes nearest to it
    :param summary: all that the chart shows, in words
    :param top: what the upper end of the axis means
    :param bottom: what its lower end means
    :param marks: oldest first
    """

    name: str
    latest: str
    summary: str
    top: str
    bottom: str
    marks: tuple[Mark, ...]


def charts(trend: Trend) -> list[Chart]:
    """
    Draw rows, size, duration and success of an orchestration.

    :param trend: its latest deliveries and failed tries
    """
    return [
        _measure("Rows", trend, lambda point: point.rows, count),
        _measure("Size", trend, lambda point: point.bytes, size),
        _measure("Duration", trend, lambda point: point.seconds, duration),
        _success(trend),
    ]


def _measure(
    name: str, trend: Trend, value: Callable[[Point], float | None], text: Callable[[float | None], str]
) -> Chart:
    known = [number for point in trend.points if (number := value(point)) is not None]
    top = max(known, default=0) or 1
    marks = []
    for index, point in enumerate(trend.points):
        number = value(point)
        height = HEIGHT * (number or 0) / top
        told = f"{moment(point.finished)}: {text(number) if number is not None else point.outcome}"
        marks.append(_mark(trend, index, height, number is None, told))
    if not known:
        return Chart(name, "no delivery yet", "no delivery yet", "", "0", tuple(marks))
    latest = f"latest {text(known[-1])}"
    spread = f", between {text(min(known))} and {text(max(known))}" if min(known) != max(known) else ""
    return Chart(name, latest, latest + spread, text(max(known)), "0", tuple(marks))


def _success(trend: Trend) -> Chart:
    marks = [
        _mark(trend, index, 0 if failed else HEIGHT, failed, f"{moment(point.finished)}: {point.outcome}")
        for index, point in enumerate(trend.points)
        for failed in [point.outcome == "failed"]
    ]
    told = f"{trend.delivered} of {len(trend.points)} delivered"
    return Chart("Success", told, told, "delivered", "failed", tuple(marks))


def _mark(trend: Trend, index: int, height: float, failed: bool, title: str) -> Mark:
    slot = WIDTH / len(trend.points)
    width = min(slot * 0.7, _WIDEST)
    if failed:
        width = max(min(width, 10.0), _NARROWEST_CROSS)
        height = max(width, 8.0)
    left, height = slot * (index + 0.5) - width / 2, max(height, 1.5)
    return Mark(round(left, 2), round(HEIGHT - height, 2), round(width, 2), round(height, 2), failed, title)
