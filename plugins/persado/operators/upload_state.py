"""Upload progress in Airflow's task state, which outlives a try and is shown in Airflow's UI and API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from persado.ledger.writer import ledger_problems

if TYPE_CHECKING:
    from airflow.sdk import Context

KEY = "upload"
EVERY = 5.0
"""Seconds between two writes."""


@contextmanager
def upload_state(context: Context, log: Any) -> Iterator[UploadState]:
    """
    Log the progress of an earlier try, record that of this one, and delete it when all files are at the site.

    It is informational: a resumed upload reads the size of the partial file from the site.
    """
    state = UploadState(context["task_state_store"], context["ti"].try_number, log)
    state.log_previous()
    try:
        yield state
    except Exception:
        state.save()
        raise
    state.delete()


class UploadState:
    """Progress of one try, in the task's state store; yielded by :func:`upload_state`."""

    def __init__(self, store: Any, try_number: int, log: Any) -> None:
        self._store = store
        self._try = try_number
        self._log = log
        self._saved = time.monotonic()
        self._now: dict[str, Any] = {}

    def record(self, path: str, offset: int, size: int) -> None:
        """
        Record how much of a file the site has acknowledged; saved every few seconds.

        :param path: the file's final path
        :param offset: acknowledged bytes
        :param size: the file's size in bytes
        """
        self._now = {"try": self._try, "path": path, "offset": offset, "size": size}
        if time.monotonic() - self._saved >= EVERY:
            self._saved = time.monotonic()
            self.save()

    def log_previous(self) -> None:
        """Log the progress of an earlier try."""
        with self._problems():
            if before := self._store.get(KEY):
                self._log.info(
                    "try %s sent %s of %s bytes of %s; resuming from what the site has stored of it",
                    before["try"],
                    f"{before['offset']:,}",
                    f"{before['size']:,}",
                    before["path"],
                )

    def save(self) -> None:
        """Write the recorded progress to the task's state."""
        if self._now:
            with self._problems():
                self._store.set(KEY, self._now)

    def delete(self) -> None:
        """Delete the progress from the task's state."""
        with self._problems():
            self._store.delete(KEY)

    def _problems(self) -> Any:
        return ledger_problems(self._log, "the task's state")
