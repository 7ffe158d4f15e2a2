"""
Who started a run, as the scheduler found out, and whether all of them may send. Does not import Airflow.

A run has one originator, or one for each asset event that started it: the person at the start of the chain, the
schedule, or something unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from persado.access.rules import refusal
from persado.settings import Access

STATE_KEY = "originators"
"""The key in the gate's task state under which the scheduler stores them."""


class Originator(BaseModel):
    """
    Who or what started a run.

    ============= ==================================================================
    kind          meaning
    ============= ==================================================================
    ``person``    an active user
    ``nobody``    the user name of the run belongs to no active user
    ``automatic`` the schedule, an asset watcher, the command line
    ``unknown``   anything else; it cannot be checked
    ============= ==================================================================

    :param name: the person's user name, or a description
    :param roles: the person's roles
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["person", "nobody", "automatic", "unknown"]
    name: str
    roles: tuple[str, ...] = ()


def refusals(
    originators: Collection[Originator], access: Access, *, pii: bool, unknown_may: bool = False
) -> Iterator[str]:
    """
    Yield a reason for each originator who may not send.

    :param access: what destination and data template both allow
    :param pii: whether personal data is or may be sent
    :param unknown_may: accept unknown originators, and leave them to the auth manager
    """
    if not originators and not unknown_may:
        yield "it is unknown who started this run"
    for originator in originators:
        if originator.kind == "nobody" or (originator.kind == "unknown" and not unknown_may):
            yield f"{originator.name}, so the permission to send cannot be checked"
        elif originator.kind == "person" and (reason := refusal(originator.roles, access, pii=pii)):
            yield f"the user {originator.name!r} {reason}"


def dump(originators: Sequence[Originator]) -> list[dict[str, object]]:
    """Return the originators as JSON data."""
    return [originator.model_dump(mode="json") for originator in originators]


def parse(plain: object) -> list[Originator]:
    """
    Parse the result of :func:`dump`.

    :raises ValueError: if it is anything else
    """
    if not isinstance(plain, list):
        raise ValueError("expected a list of originators")  # noqa: TRY004 - like pydantic's errors
    return [Originator.model_validate(entry) for entry in plain]
