"""Which ``.DONE`` files have been reported; small enough for Airflow's asset state."""

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
    The reported files below one folder, each with a stamp that shows changes.

    :param stamps: second of writing and size, by the file's path below that folder
    :param forgotten: files written up to this second were reported, and may no longer be in ``stamps``
    """

    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    forgotten: int = -1

    def is_new(self, name: str, file: DoneFile) -> bool:
        """
        Return whether a file is new or has changed.

        :param name: its path below the folder
        """
        before = self.stamps.get(name)
        return stamp(file) != before if before else stamp(file)[0] > self.forgotten

    def add(self, name: str, file: DoneFile) -> Seen:
        """
        Return a copy in which a file counts as reported.

        :param name: its path below the folder
        """
        stamps = {**self.stamps, name: stamp(file)}
        forgotten = self.forgotten
        if len(stamps) > LIMIT:
            oldest = min(stamps, key=lambda name: (stamps[name], name))
            forgotten = max(forgotten, stamps.pop(oldest)[0])
        return Seen(stamps, forgotten)

    def as_state(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"stamps": {name: list(known) for name, known in self.stamps.items()}, "forgotten": self.forgotten}

    @classmethod
    def from_state(cls, state: Any) -> Seen:
        """Parse the result of :meth:`as_state`; anything else means that nothing was reported."""
        if not isinstance(state, dict):
            return cls()
        return cls({name: (known[0], known[1]) for name, known in state["stamps"].items()}, state["forgotten"])

    def union(self, other: Seen) -> Seen:
        """Return the files that were reported here or there."""
        return Seen({**self.stamps, **other.stamps}, max(self.forgotten, other.forgotten))


def stamp(file: DoneFile) -> Stamp:
    """Return what changes when a file is written again."""
    return (int(file.mtime.timestamp()) if file.mtime else 0, file.size)
