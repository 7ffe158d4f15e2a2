"""One connection to the site, kept open by a trigger: its blocking calls run in threads of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from persado.backoff import pause
from persado.connections.site import site_of
from persado.errors import ConfigurationError, PersadoError, TransientError
from persado.pipeline.site.connect import open_session
from persado.pipeline.site.errors import ConnectionLostError
from persado.pipeline.site.session import Session
from persado.pipeline.site.site import Site

LONGEST_PAUSE = 300.0

# Each waits for the network most of its time; asyncio's own few threads would be used up by a site that hangs.
_THREADS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="persado-done")

Result = TypeVar("Result")


class DoneWatch:
    """
    A connection that is opened when it is needed, and again after it was lost.

    The Airflow connection is read anew each time, so that a mended one is used at once. A login that the site has
    refused is not tried again before the Airflow connection changes: it could lock the account.

    :param conn_id: Airflow connection of the site
    """

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id
        self._session: Session | None = None
        self._known: Site | None = None
        self._proven: Site | None = None
        self._refused: tuple[Site, str, type[PersadoError]] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._closing = threading.Lock()
        self._closed = False

    async def do(self, work: Callable[[Session], Result]) -> Result:
        """
        Do some work at the site, in a thread.

        :param work: gets an open session, and may block
        :raises PersadoError: what the work, the login or the Airflow connection gave rise to
        """
        async with self._one_at_a_time:
            site = await self._site() if self._session is None or not self._session.is_open else None
            return await in_thread(self._do, site, work)

    @property
    def refused(self) -> bool:
        """Whether nothing will be tried before the Airflow connection changes."""
        return self._refused is not None

    async def close(self) -> None:
        """End the connection, also one that a thread is opening or using right now."""
        await asyncio.shield(in_thread(self._close))

    async def _site(self) -> Site:
        try:
            connection = await BaseHook.aget_connection(self._conn_id)
        except AirflowNotFoundException:
            # This is also what Airflow says while its API is out of reach.
            if self._known is not None:
                return self._known
            raise ConfigurationError(f"there is no Airflow connection {self._conn_id!r}. Add it") from None
        self._known = await in_thread(site_of, connection)
        return self._known

    def _do(self, site: Site | None, work: Callable[[Session], Result]) -> Result:
        session = self._session if site is None else self._open(site)
        if session is None:
            raise ConnectionLostError("the connection was closed")
        try:
            return work(session)
        except TransientError:
            session.close()
            raise

    def _open(self, site: Site) -> Session:
        if self._refused is not None and self._refused[0] == site:
            _, text, kind = self._refused
            raise kind(text)
        try:
            session = open_session(site, proven=self._proven == site)
        except TransientError:
            raise
        except PersadoError as error:
            self._refused = (site, str(error), type(error))
            raise
        self._proven, self._refused = site, None
        with self._closing:
            if self._closed:
                session.close()
            if self._session is not None:
                self._session.close()
            self._session = session
        return session

    def _close(self) -> None:
        with self._closing:
            self._closed = True
            session, self._session = self._session, None
        if session is not None:
            session.close()


def retry_pause(failures: int, poke_interval: float) -> float:
    """
    Return how many seconds to wait after transient failures in a row: at most five minutes, or the usual pause.

    :param failures: how many
    :param poke_interval: the usual pause
    """
    return pause(failures, 2 * poke_interval, max(LONGEST_PAUSE, poke_interval))


async def in_thread(function: Callable[..., Result], *arguments: object) -> Result:
    """
    Do in a thread what would keep others waiting.

    :param function: what to do
    :param arguments: its arguments
    """
    return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(function, *arguments))
