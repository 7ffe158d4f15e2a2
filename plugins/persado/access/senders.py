"""
Who set a task's run going, and why one of them may not send.

A task cannot ask Airflow for anybody's roles; so the scheduler finds them out when a run starts
(:mod:`persado.entrypoints.run_listener`) and leaves them in the state of the task that asks.
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
    Refuse unless everybody who set the run going may send.

    :param context: the task's context
    :param access: what destination and data template both allow
    :param pii: whether personal data is sent, or may be
    :param unknown_may: whether a run passes where nobody vouches for anybody
    :param log: the task's logger
    :raises RejectedError: if one of them may not
    """
    run = context["dag_run"]
    found = originators(context)
    if reasons := list(refusals(found, access, pii=pii, unknown_may=unknown_may)):
        raise RejectedError(f"{run.dag_id}: refused: {'; '.join(reasons)}. Ask an operator to send it.")
    for originator in found:
        log.info(
            "set going by %s (%s): %s", originator.name, originator.kind, ", ".join(originator.roles) or "no roles"
        )


def originators(context: Context) -> list[Originator]:
    """
    Give who or what set the run going, as the scheduler says.

    :param context: the task's context
    """
    left = context["task_state_store"].get(STATE_KEY)
    if left is not None:
        try:
            return parse(left)
        except ValueError:
            return [Originator(kind="unknown", name="what the scheduler has left in this task's state is damaged")]
    run = context["dag_run"]
    if run.run_type == "scheduled":
        return [Originator(kind="automatic", name="the schedule")]
    if run.triggering_user_name == LOCAL_USER:
        return [Originator(kind="automatic", name="airflow dags test")]
    name = "the scheduler has not said who set this run going: it runs without this project's plugin"
    return [Originator(kind="unknown", name=name)]
