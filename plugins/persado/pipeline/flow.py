"""
Stages that run at the same time, each in a separate thread, with bounded queues between them.

The first error of any stage stops all the others, wherever they wait, and is the error that is raised.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from persado.pipeline.stage.artifact import Sink

if TYPE_CHECKING:
    from typing_extensions import Buffer  # in collections.abc from Python 3.12 on

BLOCK = 1 << 20
QUEUED = 4 * BLOCK
"""The maximum number of bytes between two stages."""


@contextmanager
def flow(on_stop: Callable[[BaseException], None] = lambda error: None) -> Iterator[Flow]:
    """
    Let stages run at the same time.

    :param on_stop: called once with the first error, in the thread where it occurred
    :raises BaseException: the first error of any stage, not the errors that it caused in others
    """
    stages = Flow(on_stop)
    try:
        yield stages
    except Exception as error:
        stages.stop(error)
        if stages.error is not None and stages.error is not error:
            raise stages.error from None
        raise


class Flow:
    """Stages that run at the same time; created by :func:`flow`."""

    def __init__(self, on_stop: Callable[[BaseException], None]) -> None:
        self.error: BaseException | None = None
        self.changed = threading.Condition()
        self._on_stop = on_stop

    def stop(self, error: BaseException) -> None:
        """Stop all stages; only the first error counts."""
        with self.changed:
            first = self.error is None
            if first:
                self.error = error
            self.changed.notify_all()
        if first:
            self._on_stop(error)

    @contextmanager
    def in_thread(self, sink: Sink) -> Iterator[Sink]:
        """
        Write to a sink from a separate thread. When the block ends, everything is written.

        :param sink: gets the bytes in blocks of 1 MiB, however they were written, so that they compress to the same
            bytes
        """
        queue = _Queue(self)
        thread = threading.Thread(target=queue.drain, args=(sink,), daemon=True)
        thread.start()
        try:
            yield queue
            queue.end()
            thread.join()
        except BaseException as error:
            self.stop(error)
            raise
        finally:
            thread.join()
        if self.error:
            raise self.error

    def watched(self, sink: Sink) -> Sink:
        """Wrap a sink so that its errors stop all stages, and writing to it fails once they are stopped."""
        return _Watched(self, sink)


class _Queue:
    """Passes bytes from one thread to another, in blocks."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._pieces: list[memoryview] = []
        self._collected = 0  # the bytes in them
        self._blocks: deque[bytes] = deque()
        self._bytes = 0
        self._ended = False

    def write(self, data: Buffer, /) -> int:
        # The caller may reuse its buffer; bytes are immutable.
        view = rest = memoryview(data if isinstance(data, bytes) else bytes(data))
        while rest:
            taken = rest[: BLOCK - self._collected]
            rest = rest[len(taken) :]
            self._pieces.append(taken)
            self._collected += len(taken)
            if self._collected == BLOCK:
                self._put_collected()
        return len(view)

    def end(self) -> None:
        """Mark the end of the data."""
        if self._pieces:
            self._put_collected()
        with self._flow.changed:
            self._ended = True
            self._flow.changed.notify_all()

    def drain(self, sink: Sink) -> None:
        """Write everything to the sink."""
        try:
            while block := self._next():
                while block:  # an unbuffered file may write only a part
                    block = block[sink.write(block) or len(block) :]
        except BaseException as error:
            self._flow.stop(error)

    def _put_collected(self) -> None:
        block = b"".join(self._pieces)
        self._pieces.clear()
        self._collected = 0
        changed = self._flow.changed
        with changed:
            changed.wait_for(lambda: self._flow.error or self._bytes + len(block) <= QUEUED)
            if self._flow.error:
                raise self._flow.error
            self._blocks.append(block)
            self._bytes += len(block)
            changed.notify_all()

    def _next(self) -> bytes:
        changed = self._flow.changed
        with changed:
            changed.wait_for(lambda: self._flow.error or self._blocks or self._ended)
            if self._flow.error or not self._blocks:
                return b""
            block = self._blocks.popleft()
            self._bytes -= len(block)
            changed.notify_all()
            return block


class _Watched:
    def __init__(self, flow: Flow, sink: Sink) -> None:
        self._flow = flow
        self._sink = sink

    def write(self, data: Buffer, /) -> int | None:
        if self._flow.error:
            raise self._flow.error
        try:
            return self._sink.write(data)
        except BaseException as error:
            self._flow.stop(error)
            raise
