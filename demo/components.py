"""
Start processes and end them, whatever happens. Each has its own session and log.

By the session, processes are found even after their parent is gone. If this process is killed, its guardian ends them.
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
    """A process that should run has ended or is not ready; the message names the log."""


@dataclass(frozen=True)
class Component:
    """
    A process that was started.

    :param process: the leader of its session
    :param log: the file with its output
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """
        Check that the process still runs.

        :raises ComponentError: if it has ended
        """
        if (code := self.process.poll()) is not None:
            raise ComponentError(f"{self.name} ended (exit code {code}): {last_line(self.log)}\n  read {self.log}")


class Components:
    """
    The processes of one start.

    :param folder: the folder for their logs
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

        :param name: also the name of its log
        :param environment: its whole environment
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
        self._notify_guardian(str(process.pid))
        return component

    def check(self) -> None:
        """
        Check that all processes still run.

        :raises ComponentError: if one has ended
        """
        for component in self._started:
            component.check()

    def wait_for(self, what: str, ready: Callable[[], bool], seconds: float) -> None:
        """
        Wait until something is ready.

        :param what: its name in the error
        :param ready: returns whether it is
        :param seconds: how long to wait at most
        :raises ComponentError: if a process has ended, or the time is up
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
        self._notify_guardian("done")
        self._guardian.communicate()

    def _notify_guardian(self, line: str) -> None:
        if self._guardian.stdin is None:
            return
        with suppress(BrokenPipeError):
            self._guardian.stdin.write(line + "\n")
            self._guardian.stdin.flush()


@contextmanager
def components(folder: Path, working_directory: Path) -> Iterator[Components]:
    """
    Let the block start processes, and end them all when it is left, however it is left.

    :param folder: the folder for their logs
    """
    started = Components(folder, working_directory)
    former = {number: signal.signal(number, interrupt) for number in ending_signals()}
    try:
        yield started
    finally:
        # Nothing may interrupt this: it takes little longer than GRACE.
        for number in former:
            signal.signal(number, signal.SIG_IGN)
        started.stop()
        for number, handler in former.items():
            signal.signal(number, handler)


def ending_signals() -> list[signal.Signals]:
    """List the signals that end the program. Under `nohup`, closing the terminal does not."""
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    return signals


def interrupt(number: int, _frame: object) -> None:
    """Leave the block, whichever signal it was."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def last_line(log: Path) -> str:
    """Return the last line of a log that is not blank."""
    with suppress(OSError):
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else "no output"
    return "no output"
