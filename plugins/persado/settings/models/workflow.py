"""When an orchestration runs."""

from __future__ import annotations

import re
import zoneinfo
from datetime import datetime
from typing import Annotated, Any, Literal

from croniter import croniter  # type: ignore[import-untyped]  # has no stubs
from pydantic import AfterValidator, Discriminator, Field, Tag

from persado.settings.fields import Assets, Strict, mistake
from persado.settings.text.spelling import closest


def _cron(text: str) -> str:
    fields = text.split()
    if len(fields) != 5:
        raise mistake(
            f"expected a cron expression with 5 fields (minute, hour, day of month, month, day of week), got"
            f' {len(fields)}. Write it like "0 6 * * *": every day at 6:00.'
        )
    # croniter replaces H and R with a random value at each parse
    if any(re.match(r"[HhRr](\W|$)", field) for field in fields):
        raise mistake('holds the letter H or R, which is not a fixed time. Write numbers, as in "0 6 * * *".')
    try:
        croniter(text, datetime(2024, 1, 1)).get_next(datetime)
    except (ValueError, KeyError, ArithmeticError) as error:
        if "failed to find next date" in str(error):
            raise mistake("never occurs: there is no such day. Check the day of month and the month.") from None
        raise mistake(
            "is not a cron expression. Write 5 fields (minute 0-59, hour 0-23, day of month 1-31, month 1-12, day of"
            ' week 0-7), as in "0 6 * * *".'
        ) from None
    return text


def _timezone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = closest(name, zoneinfo.available_timezones())
        guess = f" Did you mean '{near}'?" if near else ""
        raise mistake(f"expected a time zone of the IANA list, such as America/New_York.{guess}") from None
    return name


class Scheduled(Strict):
    """Run by a schedule."""

    schedule: Annotated[str, AfterValidator(_cron)] = Field(
        description="Cron expression with five fields: minute, hour, day of month, month, day of week.",
        examples=["30 8 * * 1"],
    )
    timezone: Annotated[str, AfterValidator(_timezone)] = Field(
        default="UTC",
        description="IANA time zone of the schedule, with daylight saving time.",
        examples=["America/New_York"],
    )
    only_if_changed: Assets = Field(
        default=(),
        description=(
            "Skip a scheduled run unless one of these assets has changed since the last delivery began. A run that a"
            " person starts always sends."
        ),
        examples=[["warehouse_customers"]],
    )


class WhenChanged(Strict):
    """Run when upstream data changed."""

    when_changed: Assets = Field(
        description="Assets that start a run once all of them have changed.", examples=[["warehouse_customers"]]
    )


def _kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "<manual>"
    if isinstance(value, WhenChanged):
        return "<changed>"
    if isinstance(value, dict):
        changed = any(isinstance(key, str) and key.startswith("when") for key in value)
        if changed and "schedule" in value:
            return None
        return "<changed>" if changed else "<schedule>"
    return "<schedule>" if isinstance(value, Scheduled) else None


Workflow = Annotated[
    Annotated[Literal["manual"], Tag("<manual>")]
    | Annotated[Scheduled, Tag("<schedule>")]
    | Annotated[WhenChanged, Tag("<changed>")],
    Discriminator(_kind),
]


def assets(workflow: Workflow) -> Assets:
    """Return the assets that an orchestration waits for."""
    match workflow:
        case Scheduled():
            return workflow.only_if_changed
        case WhenChanged():
            return workflow.when_changed
    return ()


def timing(workflow: Workflow) -> str:
    """Return a description of when an orchestration runs."""
    match workflow:
        case Scheduled():
            changed = f", only if {' or '.join(workflow.only_if_changed)} changed" if workflow.only_if_changed else ""
            return f"{workflow.schedule} ({workflow.timezone}){changed}"
        case WhenChanged():
            return f"when {' and '.join(workflow.when_changed)} changed"
    return "manual"
