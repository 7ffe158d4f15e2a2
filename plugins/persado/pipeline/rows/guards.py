"""Check that the number of rows is normal, before anything is sent."""

from __future__ import annotations

from persado.errors import RejectedError
from persado.settings.models.guards import ChangeGuard, RowGuards
from persado.settings.models.setting_values import OnEmpty


class EmptyResult(Exception):  # noqa: N818 - an outcome, not an error: the run ends as skipped
    """The query returned no rows, and the orchestration skips the run in this case."""


def check_rows(rows: int, guards: RowGuards, on_empty: OnEmpty) -> tuple[str, ...]:
    """
    Check the number of rows of a delivery.

    For an empty result only ``on_empty`` counts.

    :return: the warnings
    :raises RejectedError: if the number of rows stops the delivery
    :raises EmptyResult: if there are no rows and ``on_empty`` is ``skip``
    """
    if rows == 0:
        if on_empty == "skip":
            raise EmptyResult("the query returned no rows, and on_empty is 'skip': nothing is sent")
        if on_empty == "fail":
            raise RejectedError(
                "the query returned no rows, and on_empty is 'fail': nothing was sent. Check the query and its source; "
                "if an empty result is normal, set on_empty to skip or send"
            )
        return ("the query returned no rows",)
    for limit, breached, key in (
        (guards.fail_below, rows < (guards.fail_below or 0), "fail_below"),
        (guards.fail_above, guards.fail_above is not None and rows > guards.fail_above, "fail_above"),
    ):
        if breached:
            raise RejectedError(
                f"the query returned {rows} rows, but rows.{key} is {limit}: nothing was sent. Check the query and its "
                "source; if this number is normal, change the limit"
            )
    warnings = []
    if guards.warn_below is not None and rows < guards.warn_below:
        warnings.append(f"the query returned {rows} rows, fewer than rows.warn_below ({guards.warn_below})")
    if guards.warn_above is not None and rows > guards.warn_above:
        warnings.append(f"the query returned {rows} rows, more than rows.warn_above ({guards.warn_above})")
    return tuple(warnings)


def check_change(rows: int, last_rows: int | None, guard: ChangeGuard) -> tuple[str, ...]:
    """
    Check how much the number of rows differs from that of the last delivery.

    For an empty result only ``on_empty`` counts.

    :param last_rows: the number of rows of the last delivery; None if there was none, then the check passes
    :return: the warnings
    :raises RejectedError: if they differ by more than the guard allows
    """
    if rows == 0 or last_rows is None:
        return ()
    if last_rows == 0:
        return ("the last delivery had no rows, so change.fail_above_percent has nothing to compare with",)
    if abs(rows - last_rows) * 100 > guard.fail_above_percent * last_rows:
        raise RejectedError(
            f"the query returned {rows} rows, the last delivery had {last_rows}: they may differ by "
            f"{guard.fail_above_percent} % (change.fail_above_percent). Nothing was sent. If the new number is right, "
            "raise the limit for one run"
        )
    return ()
