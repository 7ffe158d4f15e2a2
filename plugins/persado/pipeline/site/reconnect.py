"""Resume work at the site after a lost connection."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from persado.backoff import pause
from persado.pipeline.site.errors import ConnectionLostError
from persado.pipeline.site.session import Session

ATTEMPTS = 4
"""After this many connections lost in a row without progress, give up."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 8.0

_LOG = logging.getLogger(__name__)

Connect = Callable[[], AbstractContextManager[Session]]


class KeptSession:
    """A session that stays open between uses, and is opened again after it broke."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._held = ExitStack()
        self._session: Session | None = None

    @property
    def alive(self) -> Session | None:
        """The session, if it can still be used."""
        return self._session if self._session is not None and self._session.is_open else None

    @contextmanager
    def __call__(self) -> Iterator[Session]:
        """Yield the session; close it if the connection is lost."""
        session = self.alive
        if session is None:
            self.close()
            session = self._session = self._held.enter_context(self._connect())
        try:
            yield session
        except ConnectionLostError:
            session.close()
            raise

    def close(self) -> None:
        """Close the session."""
        self._session = None
        self._held.close()


def reconnecting(connect: Connect, work: Callable[[Session], None], progress: Callable[[], object]) -> None:
    """
    Do work at the site, over as many connections as it takes.

    :param connect: opens a session
    :param work: does what is left to do; called again with each new session
    :param progress: returns the progress; when it changes, the failures are counted from the start
    :raises ConnectionLostError: if the site was never reached, or if connections are lost without progress
    """
    begun, failures, before = False, 0, progress()
    while True:
        try:
            with connect() as session:
                begun = True
                work(session)
        except ConnectionLostError as error:
            failures = failures + 1 if progress() == before else 1
            before = progress()
            # If the site was never reached, leave it to the task's own retries.
            if not begun or failures == ATTEMPTS:
                raise
            pause_before_retry(failures, error, "Continuing in %.1f seconds from what has arrived")
        else:
            return


def pause_before_retry(failures: int, error: Exception, then: str) -> None:
    """
    Log the error and sleep, longer after more failures.

    :param failures: the number of lost connections
    :param then: what happens next, with a placeholder for the seconds
    """
    seconds = pause(failures, FIRST_PAUSE, LONGEST_PAUSE)
    _LOG.warning(f"%s. {then}", error, seconds)
    time.sleep(seconds)
