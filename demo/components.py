"""
Starts processes and ends them, whatever happens: each in a session of its own, with a log of its own.

A session's processes are found even when their parent is gone. Should this process be killed, its guardian ends them.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from demo.guardian import GRACE, kill


class ComponentError(Exception):
    """A process that should run does not; the text names its log."""


@dataclass(frozen=True)
class Component:
    """
    A process that was started.

    :param name: what it is
    :param process: the leader of its session
    :param log: the file with its output
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """
        Make sure that it still runs.

        :raises ComponentError: if it has ended
        """
        if (code := self.process.poll()) is not None:
            raise ComponentError(f"{self.name} ended (exit code {code}): {last_line(self.log)}\n  read {self.log}")


class Components:
    """
    The processes of one start.

    :param folder: where their logs go
    :param working_directory: where they run
    """

    def __init__(self, folder: Path, working_directory: Path) -> None:
        self._folder = folder
        self._working_directory = working_directory
        self._started: list[Component] = []
        self._guardian = subprocess.Popen(
            [sys.executable, "-m", "demo.guardian"],
            cwd=working_directory,
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    def start(self, name: str, command: Sequence[str], environment: dict[str, str]) -> Component:
        """
        Start a process.

        :param name: what it is; its log is named after it
        :param command: program and arguments
        :param environment: all of its environment
        """
        log = self._folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self._working_directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        component = Component(name, process, log)
        self._started.append(component)
        self._tell_guardian(str(process.pid))
        return component

    def check(self) -> None:
        """
        Make sure that all of them run.

        :raises ComponentError: if one has ended
        """
        for component in self._started:
            component.check()

    def wait_for(self, what: str, ready: Callable[[], bool], seconds: float) -> None:
        """
        Wait until something is ready, as long as all processes run.

        :param what: what is waited for, for the error
        :param ready: tells whether it is
        :raises ComponentError: if a process has ended, or time is up
        """
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise ComponentError(f"{what} was not ready within {seconds:.0f} s\n  read {self._folder}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End all processes and everything that they started."""
        for component in self._started:
            component.process.terminate()
        deadline = time.monotonic() + GRACE
        for component in self._started:
            with suppress(subprocess.TimeoutExpired):
                component.process.wait(max(0.0, deadline - time.monotonic()))
        kill({component.process.pid for component in self._started})
        for component in self._started:
            component.process.wait()
        self._tell_guardian("done")
        self._guardian.communicate()

    def _tell_guardian(self, line: str) -> None:
        if self._guardian.stdin is None:
            return
        with suppress(BrokenPipeError):
            self._guardian.stdin.write(line + "\n")
            self._guardian.stdin.flush()


@contextmanager
def components(folder: Path, working_directory: Path) -> Iterator[Components]:
    """
    Start processes within the block; at its end, however it ends, all of them end.

    :param folder: where their logs go
    :param working_directory: where they run
    """
    started = Components(folder, working_directory)
    former = {number: signal.signal(number, interrupt) for number in ending_signals()}
    try:
        yield started
    finally:
        # From here on nothing may interrupt: ending takes little longer than GRACE.
        for number in former:
            signal.signal(number, signal.SIG_IGN)
        started.stop()
        for number, handler in former.items():
            signal.signal(number, handler)


def ending_signals() -> list[signal.Signals]:
    """List the signals by which a person ends the program; under `nohup` the closing of the terminal is none."""
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    return signals


def interrupt(number: int, _frame: object) -> None:
    """Leave the block, whichever of the signals came."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def last_line(log: Path) -> str:
    """Give the last line of a log that is not empty."""
    with suppress(OSError):
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"
    return "it said nothing"
