"""
Wait for a ``.DONE`` file in the triggerer.

:class:`PersadoDoneTrigger` is what a deferred :class:`persado.sensors.PersadoDoneSensor` waits with.
:class:`persado.triggers.done_event.PersadoDoneEventTrigger` starts whole DAGs, without a waiting task::

    from persado.triggers import PersadoDoneEventTrigger

    watcher = AssetWatcher("persado_done", PersadoDoneEventTrigger("/out/*.DONE", "persado_default"))
    with DAG("reacts", schedule=[Asset("persado_answers", watchers=[watcher])]):
        ...
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
LAST_LOOK = 30.0
"""How many seconds a look may take that begins when time is up."""


class PersadoDoneTrigger(BaseTrigger):
    """
    Fire once, when a ``.DONE`` file is there.

    The event's payload has the key ``status``. ``success`` comes with ``path``, ``size``, ``mtime`` and ``manifest``
    of the file, see :class:`~persado.pipeline.done.find.DoneFile`; ``timeout`` with a ``message``; ``error`` with a
    ``message`` and the class of the ``error``: the site refused the login, a setting is wrong, or there were too many
    transient failures.

    :param path: full path of the file at the site; if it holds wildcards, the newest that matches counts
    :param persado_conn_id: Airflow connection of the site
    :param newer_than: leave out files that were written before this; a moment, or text in ISO form
    :param poke_interval: seconds between two looks
    :param timeout: seconds after which to give up; None waits for ever
    :param max_transient_failures: how many looks in a row may fail for reasons that may pass by themselves
    :param started: when the waiting began; kept when the triggerer is restarted, so that the time-out is too
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
        """Give what makes an equal trigger; it holds no secret."""
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
        """Wait, then fire."""
        left = self._seconds_left()
        # The file may have come while no triggerer ran: look once even when time is up.
        late = left == 0.0
        try:
            async with asyncio.timeout(LAST_LOOK if late else left):
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
        look = partial(find_newest, path=DonePath.parse(self.path), newer_than=moment(self.newer_than))
        watch, failures = DoneWatch(self.persado_conn_id), 0
        self.log.info("Waiting for %s, with a look every %g seconds", self.path, self.poke_interval)
        try:
            while True:
                try:
                    found = await watch.do(look)
                except TransientError as error:
                    failures += 1
                    if failures > self.max_transient_failures:
                        raise TransientError(f"{error}. That was failure {failures} in a row; giving up") from None
                    pause = retry_pause(failures, self.poke_interval)
                    self.log.warning("%s. Looking again in %.0f seconds", error, pause)
                else:
                    if found is not None:
                        self.log.info("%s is there, %s bytes", found.path, found.size)
                        return found
                    failures, pause = 0, self.poke_interval
                if once:
                    raise TimeoutError
                await asyncio.sleep(pause)
        finally:
            await watch.close()
