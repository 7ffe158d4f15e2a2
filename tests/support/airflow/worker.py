"""A worker process that can be killed; it starts fast because it is forked from a process with all imports."""

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
    """Start the process that workers are forked from; it runs until the tests end."""
    worker = Worker(time.monotonic)
    assert worker.outcome().error is None


class Outcome(NamedTuple):
    """
    How a worker ended.

    :param error: the error it failed with, if any
    :param killed: whether it was killed
    :param grown: growth of its peak memory, in bytes
    """

    error: PersadoError | None
    killed: bool
    grown: int


class Worker:
    """
    Run a function in a process that can be killed.

    :param work: the function
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
        self._receiver.send("begin")  # only now: it must not end before its descriptor is open

    def kill(self) -> None:
        """Send SIGKILL and wait until the process has ended."""
        self._started.wait(60)
        with self._killing:
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
            select.select([self._descriptor], [], [], 60)

    def outcome(self) -> Outcome:
        """Wait until the process ends, and return how it ended."""
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
