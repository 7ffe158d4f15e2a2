"""Stages that run at the same time: all data arrives, and the first error of any stage stops all the others."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import duckdb
import pytest
from support import postgres
from support.expect import nothing_left_behind  # noqa: F401 - a fixture

from persado.pipeline.flow import BLOCK, QUEUED, Flow, flow
from persado.pipeline.streamed import _interrupt

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

NOISE = random.Random(1).randbytes(5 * BLOCK + 12345)


class Blocks:
    """Store what is written, at most ``at_once`` bytes per call."""

    def __init__(self, at_once: int | None = None) -> None:
        self.got: list[bytes] = []
        self._at_once = at_once

    def write(self, data: Any, /) -> int:
        self.got.append(bytes(memoryview(data)[: self._at_once]))
        return len(self.got[-1])


class Broken:
    """Wait, then fail at the first write."""

    def __init__(self, wait: Callable[[], object] = lambda: None) -> None:
        self._wait = wait

    def write(self, data: Any, /) -> int:
        self._wait()
        raise OSError("the first")


@pytest.mark.parametrize("portion", [1000, BLOCK - 1, BLOCK, 3 * BLOCK + 1])
def test_bytes_arrive_in_blocks_of_one_size_whatever_the_size_of_the_writes(portion: int) -> None:
    sink = Blocks()
    with flow() as stages, stages.in_thread(sink) as target:
        for start in range(0, len(NOISE), portion):
            target.write(NOISE[start : start + portion])
    assert b"".join(sink.got) == NOISE
    assert [len(block) for block in sink.got] == [BLOCK] * 5 + [12345]


def test_a_sink_may_write_only_a_part_of_a_block() -> None:
    sink = Blocks(at_once=100_000)
    with flow() as stages, stages.in_thread(sink) as target:
        target.write(NOISE)
    assert b"".join(sink.got) == NOISE


def test_a_queue_is_bounded() -> None:
    go = threading.Event()
    written = []

    class Slow(Blocks):
        def write(self, data: Any, /) -> int:
            go.wait(10)
            return super().write(data)

    def write(target: Any) -> None:
        for _ in range(20):
            target.write(bytes(BLOCK))
            written.append(BLOCK)

    with flow() as stages, stages.in_thread(Slow()) as target:
        writer = threading.Thread(target=write, args=(target,))
        writer.start()
        time.sleep(0.2)
        assert sum(written) <= QUEUED + BLOCK
        go.set()
        writer.join()


def test_the_error_of_a_stage_ends_earlier_stages_whose_queues_are_full() -> None:
    def run() -> None:
        with flow() as stages, stages.in_thread(Broken()) as second, stages.in_thread(second) as first:
            while True:
                first.write(bytes(BLOCK))

    with pytest.raises(OSError, match="the first"):
        run()


def test_an_error_at_the_end_of_a_stage_is_raised() -> None:
    def run() -> None:
        with flow() as stages, stages.in_thread(Broken()) as target:
            target.write(b"x")

    with pytest.raises(OSError, match="the first"):
        run()


def test_the_first_error_is_raised_instead_of_its_consequences() -> None:
    waiting, stopped = threading.Event(), threading.Event()
    causes: list[BaseException] = []

    def stop(error: BaseException) -> None:
        causes.append(error)
        stopped.set()

    def query(stages: Flow) -> None:
        with stages.in_thread(Broken(waiting.wait)) as target:
            target.write(bytes(BLOCK))
            waiting.set()
            stopped.wait(10)
            raise ValueError("the query was interrupted")

    with pytest.raises(OSError, match="the first"), flow(stop) as stages:
        query(stages)
    assert [str(error) for error in causes] == ["the first"]


def test_a_keyboard_interrupt_is_not_replaced_by_an_error() -> None:
    def run() -> None:
        with flow() as stages, stages.in_thread(Broken()) as target:
            target.write(bytes(BLOCK))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()


def test_writing_fails_once_the_stages_are_stopped() -> None:
    sink = Blocks()

    def run() -> None:
        with flow() as stages:
            watched = stages.watched(sink)
            watched.write(b"x")
            stages.stop(ValueError("over"))
            watched.write(b"y")

    with pytest.raises(ValueError, match="over"):
        run()
    assert sink.got == [b"x"]


ENDLESS = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t) SELECT count(*) FROM t WHERE i < 0"


@pytest.mark.parametrize("connect", [lambda: sqlite3.connect(":memory:"), duckdb.connect, postgres.connect])
def test_a_query_can_be_cancelled_from_another_thread(connect: Callable[[], Any]) -> None:
    with closing(connect()) as connection:
        timer = threading.Timer(0.3, _interrupt, [connection])
        timer.start()
        with pytest.raises(Exception, match=r"(?i)interrupt|cancel"):
            connection.execute(ENDLESS).fetchone()
        timer.join()
