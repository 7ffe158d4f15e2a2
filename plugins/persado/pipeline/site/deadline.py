"""Limit the waits that have no time-out in paramiko."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko


@contextmanager
def at_most(seconds: float, transport: paramiko.Transport) -> Iterator[None]:
    """
    Close the connection if a step takes too long.

    :param transport: the connection; closing it ends every wait on it
    :raises TimeoutError: instead of the error that the closed connection caused
    """
    over = threading.Event()

    def end() -> None:
        over.set()
        transport.close()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if over.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
