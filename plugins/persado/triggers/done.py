"""
The trigger of a deferred :class:`~persado.sensors.PersadoDoneSensor`.

To start DAGs without a waiting task, use :class:`~persado.triggers.done_event.PersadoDoneEventTrigger`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from persado.errors import PersadoError, TransientError
from persado.pipeline.done.find import DoneFile, find_newest, moment
from persado.pipeline.done.pattern import DonePath
from persado.triggers.done_event import PersadoDoneEventTrigger, event
from persado.triggers.watch import DoneWatch, retry_pause

__all__ = ["PersadoDoneEventTrigger", "PersadoDoneTrigger"]

MAX_TRANSIENT_FAILURES = 10
LAST_CHECK = 30.0
"""Time-out in seconds of the one check that is made when the time is already up."""


class PersadoDoneTrigger(BaseTrigger):
    """
    Fire once, when a ``.DONE`` file exists.

    ::

        self.defer(
            trigger=PersadoDoneTrigger("/out/*.DONE", "persado_default", timeout=3600),
            method_name="execute_complete",
        )

    The payload of the event depends on its ``status``:

    * ``success``: ``path``, ``size``, ``mtime`` and ``manifest``, see :class:`~persado.pipeline.done.find.DoneFile`
    * ``timeout``: ``message``
    * ``error``: ``message``, and the name of the error's class in ``error``; the site refused the login, a setting is
      invalid, or there were too many transient failures in a row

    :param path: full path of the file at the site, with or without wildcards; the newest match is reported
    :param persado_conn_id: :ref:`connection <howto/connection:persado>` of the site
    :param newer_than: ignore files last modified before this time; a date, a datetime, or text in ISO format. None
        accepts every file
    :param poke_interval: seconds between two checks
    :param timeout: seconds to wait; None waits without limit
    :param max_transient_failures: how many transient failures in a row are tolerated
    :param started: start of the wait in ISO format; serialized, so that a restarted triggerer keeps the time-out.
        None is now
    """

    def __init__(
        self,
        path: str,
        persado_conn_id: str = "persado_default",
        *,
        newer_than: date | str | None = None,
        poke_interval: float = 60.0,
        timeout: float | None = None,
        max_transient_failures: int = MAX_TRANSIENT_FAILURES,
        started: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's has no types
        self.path = path
        self.persado_conn_id = persado_conn_id
        self.newer_than = newer_than.isoformat() if isinstance(newer_than, date) else newer_than
        self.poke_interval = poke_interval
        self.timeout = timeout
        self.max_transient_failures = max_transient_failures
        self.started = started or datetime.now(UTC).isoformat()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments; they hold no secrets."""
        return (
            "persado.triggers.PersadoDoneTrigger",
            {
                "path": self.path,
                "persado_conn_id": self.persado_conn_id,
                "newer_than": self.newer_than,
                "poke_interval": self.poke_interval,
                "timeout": self.timeout,
                "max_transient_failures": self.max_transient_failures,
                "started": self.started,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the file, then yield one event."""
        left = self._seconds_left()
        # The file may have arrived while no triggerer was running: check once even if the time is up.
        late = left == 0.0
        try:
            async with asyncio.timeout(LAST_CHECK if late else left):
                found = await self._wait(once=late)
        except TimeoutError:
            message = f"no {self.path} at the site within {self.timeout:g} seconds"
            yield event({"status": "timeout", "message": message})
        except PersadoError as error:
            yield event({"status": "error", "error": type(error).__name__, "message": str(error)})
        else:
            yield event({"status": "success", **found.model_dump(mode="json")})

    def _seconds_left(self) -> float | None:
        if self.timeout is None:
            return None
        end = datetime.fromisoformat(self.started) + timedelta(seconds=self.timeout)
        return max(0.0, (end - datetime.now(UTC)).total_seconds())

    async def _wait(self, *, once: bool) -> DoneFile:
        find = partial(find_newest, path=DonePath.parse(self.path), newer_than=moment(self.newer_than))
        watch, failures = DoneWatch(self.persado_conn_id), 0
        self.log.info("Waiting for %s, checking every %g seconds", self.path, self.poke_interval)
        try:
            while True:
                try:
                    found = await watch.call(find)
                except TransientError as error:
                    failures += 1
                    if failures > self.max_transient_failures:
                        raise TransientError(f"{error}. That was failure {failures} in a row; giving up") from None
                    pause = retry_pause(failures, self.poke_interval)
                    self.log.warning("%s. Checking again in %.0f seconds", error, pause)
                else:
                    if found is not None:
                        self.log.info("Found %s: %s bytes", found.path, found.size)
                        return found
                    failures, pause = 0, self.poke_interval
                if once:
                    raise TimeoutError
                await asyncio.sleep(pause)
        finally:
            await watch.close()
