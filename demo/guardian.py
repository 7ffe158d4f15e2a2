"""
End processes whose starter was killed or has crashed.

Run as `python -m demo.guardian`. It reads session ids, one a line, from a pipe whose other end the starter holds. The
line `done` means that the starter has ended them itself; end of file without it means that the starter is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""


def main() -> None:
    """Wait for the starter to end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sessions: set[int] = set()
    for line in sys.stdin:
        if line.strip() == "done":
            return
        sessions.add(int(line))
    for leader in sessions:
        with suppress(ProcessLookupError):
            os.kill(leader, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while members(sessions) and time.monotonic() < deadline:
        time.sleep(0.05)
    kill(sessions)


def kill(sessions: Collection[int]) -> None:
    """Kill all processes of some sessions."""
    while left := members(sessions):
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.02)


def members(sessions: Collection[int]) -> list[int]:
    """List the living processes of some sessions."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # After the name, which is in parentheses: state, parent, group, session.
                state, _parent, _group, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(session) in sessions and state not in "ZX":
                    found.append(int(entry.name))
    return found


if __name__ == "__main__":
    main()
