"""The parameters that every orchestration has in addition to its own, shown in the trigger form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import Param

from persado.errors import RejectedError
from persado.settings.models.params import RESERVED

if TYPE_CHECKING:
    from airflow.sdk import Context

LONGEST_REASON = 500

_SECTION = "Delivery"


def run_params() -> dict[str, Param]:
    """Return the parameters; their names are reserved in :mod:`persado.settings.models.params`."""
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
            description="In a dry run, let the database count all rows. This may take as long as the query itself.",
            section=_SECTION,
        ),
        "reason": Param(
            None,
            type=["null", "string"],
            maxLength=LONGEST_REASON,
            title="Reason",
            description="Why you start this run, such as a ticket number. Stored in the receipt: no personal data.",
            section=_SECTION,
        ),
    }


def for_templates(context: Context) -> Context:
    """
    Return a copy of the context with only those parameters whose schema is checked.

    Airflow adds every name that a run was given (``{"conf": {"any": "' OR 1=1"}}``) to ``params`` without a check.
    ``reason`` is free text for people, not for queries.
    """
    checked = {*context["dag"].params, *context["task"].params} - {"reason"}
    params = {name: value for name, value in context["params"].items() if name in checked}
    return cast("Context", {**cast("dict[str, Any]", context), "params": params})


def refuse_misspelt(context: Context) -> None:
    """
    Refuse a run with a misspelt parameter: Airflow's API accepts any name, so `dryrun` would send the delivery.

    :raises RejectedError: if a name differs from a parameter's only in case or punctuation
    """
    names = {*RESERVED, *context["dag"].params}
    by_plain_name = {_plain(name): name for name in names}
    for given in context["dag_run"].conf or {}:
        if given not in names and (name := by_plain_name.get(_plain(given))):
            raise RejectedError(f"the run was given the unknown parameter {given!r}. Start it again with {name!r}")


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def reason(context: Context) -> str | None:
    """Return the run's reason; None if there is none, or if a hand-written DAG does not have the parameter."""
    return context["params"].get("reason") or None
