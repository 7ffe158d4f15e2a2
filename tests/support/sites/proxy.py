"""
A TCP proxy in a thread, which makes connections break, stall or slow down as specified.

It counts the bytes of each connection, so that a fault strikes at the same byte in every run.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

BLOCK = 1 << 16


@dataclass(frozen=True)
class Line:
    """
    How a connection behaves.

    :param up: bytes that pass to the server before it ends; None for all
    :param down: bytes that pass to the client before it ends; None for all
    :param end: ``cut``, or ``stall``: nothing passes any more, but nothing is closed
    :param pace: bytes per second in each direction
    :param delay: seconds that every block is delayed
    :param then: called at the end, before the connection is cut
    """

    up: int | None = None
    down: int | None = None
    end: Literal["cut", "stall"] = "cut"
    pace: int | None = None
    delay: float = 0
    then: Callable[[], None] = lambda: None


GOOD = Line()
Lines = Callable[[int], Line]
"""Returns the line of each connection, by its number from 1."""


def once(line: Line, number: int = 1) -> Lines:
    """Use the line for one connection."""
    return lambda connection: line if connection == number else GOOD


def always(line: Line) -> Lines:
    """Use the line for every connection."""
    return lambda connection: line


def one_in(chance: int, up: int, seed: int) -> Lines:
    """Cut one in ``chance`` connections, half of them early, the others anywhere; the same ones in every run."""
    draw = random.Random(seed)

    def line(connection: int) -> Line:
        return Line(up=draw.randrange(draw.choice((3500, up)))) if draw.randrange(chance) == 0 else GOOD

    return line


@dataclass
class Passed:
    """The bytes that have passed on a connection."""

    up: int = 0
    down: int = 0
    broken: bool = False


class Proxy:
    """
    The proxy, running inside ``with``.

    :param to: the server's port
    :param lines: how each connection behaves
    """

    def __init__(self, to: int, lines: Lines = always(GOOD)) -> None:  # noqa: B008 - a function
        self.connections: list[Passed] = []
        self.lines = lines
        self._to = to
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def port(self) -> int:
        """The port for clients."""
        return int(self._listener.sockets[0].getsockname()[1])

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._listener = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=BLOCK))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _stop(self) -> None:
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # close what was aborted

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        passed = Passed()
        self.connections.append(passed)
        writers = [writer]
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to, limit=BLOCK)
            writers.append(to_writer)
            await self._pass(self.lines(len(self.connections)), passed, (reader, to_writer), (to_reader, writer))
        except (OSError, asyncio.CancelledError):  # the server is gone, or the proxy ends
            pass
        finally:
            for each in writers:
                each.transport.abort()

    async def _pass(self, line: Line, passed: Passed, up: Any, down: Any) -> None:
        pumps = [
            asyncio.create_task(_pump(line, line.up, passed, "up", *up)),
            asyncio.create_task(_pump(line, line.down, passed, "down", *down)),
        ]
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        if not any(pump.result() for pump in done if not pump.exception()):
            return
        passed.broken = True
        line.then()
        if line.end == "stall":
            await asyncio.Event().wait()


async def _pump(
    line: Line,
    limit: int | None,
    passed: Passed,
    way: Literal["up", "down"],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> bool:
    """Forward bytes; return whether the limit was reached before the end."""
    size = BLOCK if line.pace is None else max(line.pace // 50, 1)
    while limit is None or getattr(passed, way) < limit:
        room = size if limit is None else min(size, limit - getattr(passed, way))
        block = await reader.read(room)
        if not block:
            writer.close()
            await writer.wait_closed()
            return False
        setattr(passed, way, getattr(passed, way) + len(block))
        await asyncio.sleep(line.delay + (len(block) / line.pace if line.pace else 0))
        writer.write(block)
        await writer.drain()
    return True
