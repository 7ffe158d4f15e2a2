"""A receiver that watches the folder all the time, and records every state that must never be visible."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

STALE = b"stale"
"""The content of an earlier delivery's success file."""


class Watcher:
    """
    The receiver. It watches inside ``with``, and fails at the end if it saw a wrong state.

    :param folder: the folder at the site
    :param new: the files of the delivery
    :param done: the name of their success file
    :param old: the previous content of the same names
    """

    def __init__(self, folder: Path, new: Mapping[str, bytes], done: str, old: Mapping[str, bytes]) -> None:
        self.seen: set[str] = set()
        self._folder, self._new, self._old, self._done = folder, new, old, done
        self._known: dict[tuple[str, int, int, int], str] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher")

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._end.set()
        self._thread.join()
        self._check()
        assert not self.seen, sorted(self.seen)

    def _watch(self) -> None:
        while not self._end.wait(0.001):
            self._check()

    def _check(self) -> None:
        """Read the success file before the files, so that an early one is noticed."""
        done_before = self._read_done()
        states = {}
        for path in self._folder.rglob("[!.]*"):
            with suppress(FileNotFoundError):
                if path.is_file() and path.name != self._done:
                    states[path.relative_to(self._folder).as_posix()] = self._state(path)
        self.seen |= {f"{name} is {state}" for name, state in states.items() if state not in ("old", "new")}
        complete = all(states.get(name) == "new" for name in self._new)
        if done_before not in (None, STALE) and not complete:
            self.seen.add(f"{self._done} is early")
        if "new" in states.values() and self._read_done() == STALE:
            self.seen.add(f"{self._done} is stale beside a new file")

    def _read_done(self) -> bytes | None:
        try:
            return (self._folder / self._done).read_bytes()
        except FileNotFoundError:
            return None

    def _state(self, path: Path) -> str:
        name, found = path.relative_to(self._folder).as_posix(), path.stat()
        mark = (name, found.st_ino, found.st_size, found.st_mtime_ns)
        if mark not in self._known:
            content = path.read_bytes()
            known = {"new": self._new.get(name), "old": self._old.get(name)}
            states = [state for state, expected in known.items() if content == expected]
            self._known[mark] = states[0] if states else f"neither old nor new: {len(content)} bytes"
        return self._known[mark]
