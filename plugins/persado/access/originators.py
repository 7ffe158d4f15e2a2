"""
Whoever set a run going, as the scheduler found out, and whether all of them may. Pure, without Airflow.

A run has one originator, or, where assets started it, one for each event that did: the person at the beginning of the
chain, the clock, or somebody whom nobody knows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from persado.access.rules import refusal
from persado.settings import Access

STATE_KEY = "originators"
"""Where the scheduler leaves them in the gate's task state."""


class Originator(BaseModel):
    """
    Who or what set a run going.

    :param kind: ``person``; ``nobody``: a name that no active user has; ``automatic``: the clock, an asset watcher, the
        command line; ``unknown``
    :param name: the person's user name, or what it was
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
    Say for each originator who may not send what is wrong; nothing if all of them may.

    :param originators: who set the run going
    :param access: what destination and data template both allow
    :param pii: whether personal data is sent, or may be
    :param unknown_may: whether only a person who may not is refused, and what nobody knows is up to the auth manager
    """
    if not originators and not unknown_may:
        yield "nothing shows who set this run going"
    for originator in originators:
        if originator.kind == "nobody" or (originator.kind == "unknown" and not unknown_may):
            yield f"{originator.name}, so nobody can tell whether they may send"
        elif originator.kind == "person" and (reason := refusal(originator.roles, access, pii=pii)):
            yield f"the user {originator.name!r} {reason}"


def dump(originators: Sequence[Originator]) -> list[dict[str, object]]:
    """Make plain data of them."""
    return [originator.model_dump(mode="json") for originator in originators]


def parse(plain: object) -> list[Originator]:
    """
    Read what :func:`dump` has made.

    :raises ValueError: if it is something else
    """
    if not isinstance(plain, list):
        raise ValueError("expected a list of originators")  # noqa: TRY004 - as pydantic's own errors
    return [Originator.model_validate(entry) for entry in plain]
