"""The SFTP connection of a trigger: stays open between checks and runs blocking calls in threads."""

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

# A separate pool: the threads mostly wait for the network, and a site that hangs would use up asyncio's few.
_THREADS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="persado-done")

Result = TypeVar("Result")


class DoneWatch:
    """
    An SFTP connection that is opened on demand, and again after it was lost.

    Each time, the Airflow connection is read again, so that a corrected one is used at once. A refused login is not
    retried until the Airflow connection changes, because repeated attempts could lock the account.
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

    async def call(self, function: Callable[[Session], Result]) -> Result:
        """
        Call a function with an open session, in a thread.

        :param function: may block
        :raises PersadoError: if the function, the login or reading the Airflow connection fails
        """
        async with self._one_at_a_time:
            site = await self._site() if self._session is None or not self._session.is_open else None
            return await in_thread(self._call, site, function)

    @property
    def refused(self) -> bool:
        """Whether the login was refused; it is not retried until the Airflow connection changes."""
        return self._refused is not None

    async def close(self) -> None:
        """Close the connection, even while a thread is opening or using it."""
        await asyncio.shield(in_thread(self._close))

    async def _site(self) -> Site:
        try:
            connection = await BaseHook.aget_connection(self._conn_id)
        except AirflowNotFoundException:
            # Airflow also raises this while its API is unreachable.
            if self._known is not None:
                return self._known
            raise ConfigurationError(f"there is no Airflow connection {self._conn_id!r}. Add it") from None
        self._known = await in_thread(site_of, connection)
        return self._known

    def _call(self, site: Site | None, function: Callable[[Session], Result]) -> Result:
        session = self._session if site is None else self._open(site)
        if session is None:
            raise ConnectionLostError("the connection was closed")
        try:
            return function(session)
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
    Return the seconds to wait after failures in a row: at most five minutes, or the poke interval if it is longer.

    :param failures: number of failures in a row
    :param poke_interval: seconds between two checks without failures
    """
    return pause(failures, 2 * poke_interval, max(LONGEST_PAUSE, poke_interval))


async def in_thread(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a blocking function in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(function, *arguments))
