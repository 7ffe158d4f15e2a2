"""How far an upload is, kept in Airflow's task state: it outlives a try, and Airflow's UI and API show it."""

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


@contextmanager
def upload_state(context: Context, log: Any) -> Iterator[UploadState]:
    """
    Say what an earlier try had sent, and keep how far this one is; forget it when all files are at the site.

    What a try goes on from is decided at the site alone, where it is read back.

    :param context: the task's context
    :param log: the task's logger
    """
    state = UploadState(context["task_state_store"], context["ti"].try_number, log)
    state.tell()
    try:
        yield state
    except Exception:
        state.keep()
        raise
    state.forget()


class UploadState:
    """
    What :func:`upload_state` gives.

    :param store: the task's state
    :param try_number: the number of this try
    :param log: the task's logger
    """

    def __init__(self, store: Any, try_number: int, log: Any) -> None:
        self._store = store
        self._try = try_number
        self._log = log
        self._kept = time.monotonic()
        self._now: dict[str, Any] = {}

    def note(self, path: str, offset: int, size: int) -> None:
        """
        Keep every few seconds how much of a file the site has acknowledged.

        :param path: the file's final path
        :param offset: so many bytes
        :param size: of so many
        """
        self._now = {"try": self._try, "path": path, "offset": offset, "size": size}
        if time.monotonic() - self._kept >= EVERY:
            self._kept = time.monotonic()
            self.keep()

    def tell(self) -> None:
        """Log what an earlier try has left."""
        with self._problems():
            if before := self._store.get(KEY):
                self._log.info(
                    "try %s had sent %s of %s bytes of %s; going on from what the site still has of it",
                    before["try"],
                    f"{before['offset']:,}",
                    f"{before['size']:,}",
                    before["path"],
                )

    def keep(self) -> None:
        """Write down how far it is."""
        if self._now:
            with self._problems():
                self._store.set(KEY, self._now)

    def forget(self) -> None:
        """Remove what was written down."""
        with self._problems():
            self._store.delete(KEY)

    def _problems(self) -> Any:
        return ledger_problems(self._log, "the task's state")
