"""Bound the waits that paramiko leaves open."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko


@contextmanager
def at_most(seconds: float, transport: paramiko.Transport) -> Iterator[None]:
    """
    Close a connection that is not done with a step in time.

    :param seconds: how long the step may take
    :param transport: the connection; closing it ends every wait on it
    :raises TimeoutError: in place of whatever the step raised because of that
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
