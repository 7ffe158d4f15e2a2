"""
Refuse a task's run unless everybody who started it may send.

A task cannot query the roles of users. The scheduler looks them up when a run starts
(:mod:`persado.entrypoints.run_listener`) and stores them in the state of the task that checks them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persado.access.originators import STATE_KEY, Originator, parse, refusals
from persado.access.rules import LOCAL_USER
from persado.errors import RejectedError
from persado.settings import Access

if TYPE_CHECKING:
    from airflow.sdk import Context


def refuse_unless_all_may_send(context: Context, access: Access, *, pii: bool, unknown_may: bool, log: Any) -> None:
    """
    Check that everybody who started the run may send.

    :param access: what destination and data template both allow
    :param pii: whether personal data is or may be sent
    :param unknown_may: accept a run whose originators are unknown
    :raises RejectedError: if one of them may not
    """
    run = context["dag_run"]
    found = originators(context)
    if reasons := list(refusals(found, access, pii=pii, unknown_may=unknown_may)):
        raise RejectedError(f"{run.dag_id}: refused: {'; '.join(reasons)}. Ask an operator to send it.")
    for originator in found:
        log.info("started by %s (%s): %s", originator.name, originator.kind, ", ".join(originator.roles) or "no roles")


def originators(context: Context) -> list[Originator]:
    """Return who or what started the run, as recorded by the scheduler."""
    recorded = context["task_state_store"].get(STATE_KEY)
    if recorded is not None:
        try:
            return parse(recorded)
        except ValueError:
            return [Originator(kind="unknown", name="the scheduler's record of who started this run is damaged")]
    run = context["dag_run"]
    if run.run_type == "scheduled":
        return [Originator(kind="automatic", name="the schedule")]
    if run.triggering_user_name == LOCAL_USER:
        return [Originator(kind="automatic", name="airflow dags test")]
    name = "the scheduler's plugin persado_access has not recorded who started this run"
    return [Originator(kind="unknown", name=name)]
