"""Which ``.DONE`` files have been told already; small enough to be kept in Airflow's asset state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from persado.pipeline.done.find import DoneFile

LIMIT = 500

Stamp = tuple[int, int]


@dataclass(frozen=True)
class Seen:
    """
    Files below one folder, each with the stamp by which a change shows.

    :param stamps: second of writing and size, by the file's path below that folder
    :param forgotten: files written up to this second were told, and are no longer kept one by one
    """

    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    forgotten: int = -1

    def is_new(self, name: str, file: DoneFile) -> bool:
        """
        Tell whether a file is new, or has changed.

        :param name: its path below the folder
        :param file: the file
        """
        before = self.stamps.get(name)
        return stamp(file) != before if before else stamp(file)[0] > self.forgotten

    def add(self, name: str, file: DoneFile) -> Seen:
        """
        Give what has been told when this file has been too.

        :param name: its path below the folder
        :param file: the file
        """
        stamps = {**self.stamps, name: stamp(file)}
        forgotten = self.forgotten
        if len(stamps) > LIMIT:
            oldest = min(stamps, key=lambda name: (stamps[name], name))
            forgotten = max(forgotten, stamps.pop(oldest)[0])
        return Seen(stamps, forgotten)

    def as_state(self) -> dict[str, Any]:
        """Give it as plain data."""
        return {"stamps": {name: list(known) for name, known in self.stamps.items()}, "forgotten": self.forgotten}

    @classmethod
    def from_state(cls, state: Any) -> Seen:
        """
        Read what :meth:`as_state` gave; nothing was seen where there is no such state.

        :param state: the plain data
        """
        if not isinstance(state, dict):
            return cls()
        return cls({name: (known[0], known[1]) for name, known in state["stamps"].items()}, state["forgotten"])

    def union(self, other: Seen) -> Seen:
        """
        Give what has been told here or there.

        :param other: the other
        """
        return Seen({**self.stamps, **other.stamps}, max(self.forgotten, other.forgotten))


def stamp(file: DoneFile) -> Stamp:
    """
    Give what changes when a file is written anew.

    :param file: the file
    """
    return (int(file.mtime.timestamp()) if file.mtime else 0, file.size)
