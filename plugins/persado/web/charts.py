"""The geometry of the trend charts, which the templates draw as SVG: a bar per delivery, a cross per failed try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from persado.web.pages import count, duration, moment, size
from persado.web.trends import Point, Trend

WIDTH, HEIGHT = 320, 90
_WIDEST = 14.0  # keeps bars apart when there are few
_NARROWEST_CROSS = 5.0


@dataclass(frozen=True)
class Mark:
    """
    A bar or cross for one try, in the units of the SVG's view box.

    :param x: left edge
    :param y: upper edge
    :param failed: draw the cross of a failed try
    :param title: the tooltip
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
    :param latest: the text beside the name, such as the latest delivery's value
    :param summary: the chart in words, for screen readers
    :param top: label of the axis' upper end
    :param bottom: label of its lower end
    :param marks: oldest first
    """

    name: str
    latest: str
    summary: str
    top: str
    bottom: str
    marks: tuple[Mark, ...]


def charts(trend: Trend) -> list[Chart]:
    """Return the charts of an orchestration's rows, size, duration and success."""
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
        title = f"{moment(point.finished)}: {text(number) if number is not None else point.outcome}"
        marks.append(_mark(trend, index, height, number is None, title))
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
    summary = f"{trend.delivered} of {len(trend.points)} delivered"
    return Chart("Success", summary, summary, "delivered", "failed", tuple(marks))


def _mark(trend: Trend, index: int, height: float, failed: bool, title: str) -> Mark:
    slot = WIDTH / len(trend.points)
    width = min(slot * 0.7, _WIDEST)
    if failed:
        width = max(min(width, 10.0), _NARROWEST_CROSS)
        height = max(width, 8.0)
    left, height = slot * (index + 0.5) - width / 2, max(height, 1.5)
    return Mark(round(left, 2), round(HEIGHT - height, 2), round(width, 2), round(height, 2), failed, title)
