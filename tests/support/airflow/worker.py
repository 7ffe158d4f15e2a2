"""A worker process that can be killed: forked from a process that has everything loaded, so that it costs little."""

from __future__ import annotations

import multiprocessing
import os
import resource
import select
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import pytest

from persado.errors import PersadoError

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "pytest",
        "asyncssh",
        "duckdb",
        "persado.pipeline.chained",
        "persado.pipeline.upload.streaming",
        "persado.pipeline.streamed",
    ]
)


@pytest.fixture(scope="session")
def spawner() -> None:
    """Start the process that workers are forked from; it lives as long as the tests do."""
    worker = Worker(time.monotonic)
    assert worker.outcome().error is None


class Outcome(NamedTuple):
    """
    How a worker ended.

    :param error: what it failed with; None if it did not
    :param killed: whether it was killed
    :param grown: by how many bytes its memory grew at most
    """

    error: PersadoError | None
    killed: bool
    grown: int


class Worker:
    """
    The process.

    :param work: what it does
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._started, self._killing = threading.Event(), threading.Lock()
        self._receiver, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_work, args=(work, theirs))
        self._process.start()
        assert self._process.pid is not None
        self._descriptor = os.pidfd_open(self._process.pid)
        self._started.set()
        theirs.close()
        self._receiver.send("begin")  # not before: it could be gone by then

    def kill(self) -> None:
        """Send it SIGKILL, and return when it is gone."""
        self._started.wait(60)
        with self._killing:
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
            select.select([self._descriptor], [], [], 60)

    def outcome(self) -> Outcome:
        """Wait for its end."""
        try:
            error, grown = self._receiver.recv()
        except (EOFError, ConnectionResetError):
            error, grown = None, 0
        self._receiver.close()
        self._process.join(120)
        code = self._process.exitcode
        assert code in (0, -9), f"the worker ended with {code}"
        self._process.close()
        with self._killing:
            os.close(self._descriptor)
        return Outcome(error, code == -9, grown)


def _work(work: Callable[[], Any], sender: Connection) -> None:
    sender.recv()
    before = _peak_memory()
    error = None
    try:
        work()
    except PersadoError as problem:
        error = problem
    sender.send((error, _peak_memory() - before))


def _peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
