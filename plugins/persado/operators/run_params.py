"""The parameters that every orchestration's run has besides its own: what the trigger form asks everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Param

from persado.errors import RejectedError
from persado.settings.models.params import RESERVED

if TYPE_CHECKING:
    from airflow.sdk import Context

LONGEST_REASON = 500

_SECTION = "Delivery"


def run_params() -> dict[str, Param]:
    """Give the parameters; an orchestration's own may not have their names (:mod:`persado.settings.models.params`)."""
    return {
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Send nothing: the first task's log shows the names of the files, the columns and the first"
            " rows, with personal data masked. All other tasks are skipped.",
            section=_SECTION,
        ),
        "count_rows": Param(
            False,
            type="boolean",
            title="Count the rows",
            description="In a dry run, have the database count all rows. That may take as long as the query itself.",
            section=_SECTION,
        ),
        "reason": Param(
            None,
            type=["null", "string"],
            maxLength=LONGEST_REASON,
            title="Reason",
            description="Why this run is made, such as a ticket. It is kept with the receipt; write no personal data.",
            section=_SECTION,
        ),
    }


def refuse_misspelt(context: Context) -> None:
    """
    Refuse a run that was given a parameter under almost its name: Airflow's API takes any, and `dryrun` would send.

    :param context: the task's context
    :raises RejectedError: with the right name
    """
    names = {*RESERVED, *context["dag"].params}
    right = {_plain(name): name for name in names}
    for given in context["dag_run"].conf or {}:
        if given not in names and (name := right.get(_plain(given))):
            raise RejectedError(f"the run was given {given!r}, which is no parameter. Start it again with {name!r}")


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def reason(context: Context) -> str | None:
    """
    Give the reason that the user gave for the run; None without one, and in a hand-written DAG without the parameter.

    :param context: the task's context
    """
    return context["params"].get("reason") or None
