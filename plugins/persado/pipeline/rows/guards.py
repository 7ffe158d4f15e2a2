"""Is the number of rows normal? Asked before anything is sent."""

from __future__ import annotations

from persado.errors import RejectedError
from persado.settings.models.guards import ChangeGuard, RowGuards
from persado.settings.models.setting_values import OnEmpty


class EmptyResult(Exception):  # noqa: N818 - an outcome, not an error: the run ends as skipped
    """The query gave no rows and the orchestration wants to skip the run then."""


def check_rows(rows: int, guards: RowGuards, on_empty: OnEmpty) -> tuple[str, ...]:
    """
    Judge the number of rows of a delivery.

    An empty result is the matter of ``on_empty`` alone.

    :param rows: how many rows there are
    :param guards: how many are normal
    :param on_empty: what to do without any
    :return: the warnings
    :raises RejectedError: where the number stops the delivery
    :raises EmptyResult: where there are none and the run is to be skipped
    """
    if rows == 0:
        if on_empty == "skip":
            raise EmptyResult("the query gave no rows, and on_empty is 'skip': nothing is sent")
        if on_empty == "fail":
            raise RejectedError(
                "the query gave no rows, and on_empty is 'fail': nothing was sent. Check the query and its source; if "
                "an empty result is normal, set on_empty to skip or send"
            )
        return ("the query gave no rows",)
    for limit, breached, key in (
        (guards.fail_below, rows < (guards.fail_below or 0), "fail_below"),
        (guards.fail_above, guards.fail_above is not None and rows > guards.fail_above, "fail_above"),
    ):
        if breached:
            raise RejectedError(
                f"the query gave {rows} rows, but rows.{key} is {limit}: nothing was sent. Check the query and its "
                "source; if that many are normal, change the limit"
            )
    warnings = []
    if guards.warn_below is not None and rows < guards.warn_below:
        warnings.append(f"the query gave {rows} rows, fewer than rows.warn_below ({guards.warn_below})")
    if guards.warn_above is not None and rows > guards.warn_above:
        warnings.append(f"the query gave {rows} rows, more than rows.warn_above ({guards.warn_above})")
    return tuple(warnings)


def check_change(rows: int, last_rows: int | None, guard: ChangeGuard) -> tuple[str, ...]:
    """
    Judge how much the number of rows differs from the last delivery's.

    An empty result is the matter of ``on_empty`` alone.

    :param rows: how many rows there are
    :param last_rows: how many the last delivery had; None before the first, which passes
    :param guard: how much they may differ
    :return: the warnings
    :raises RejectedError: where they differ more
    """
    if rows == 0 or last_rows is None:
        return ()
    if last_rows == 0:
        return ("the last delivery had no rows, so that change.fail_above_percent has nothing to compare with",)
    if abs(rows - last_rows) * 100 > guard.fail_above_percent * last_rows:
        raise RejectedError(
            f"the query gave {rows} rows, the last delivery had {last_rows}: they may differ by "
            f"{guard.fail_above_percent} % (change.fail_above_percent). Nothing was sent. If the new number is right, "
            "raise the limit for one run"
        )
    return ()
