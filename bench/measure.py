"""Run a contender, and measure its time and the peak memory of its processes."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

_EVERY = 0.2
"""Seconds between two samples of the memory; each costs the contender some time."""


@dataclass(frozen=True)
class Run:
    """
    One run of a contender.

    :param seconds: how long its work took: what it prints itself, else from its start to its end
    :param startup: the rest of the time, in which Python starts and imports modules
    :param peak: the peak memory of all its processes in bytes; shared memory counts once
    :param told: what else it printed
    """

    seconds: float
    startup: float
    peak: int
    told: Mapping[str, Any]


def measured(command: Sequence[str], environment: Mapping[str, str]) -> Run:
    """
    Run a contender.

    :param command: program and arguments. The last line that it prints may be a JSON object; ``seconds`` in it is the
        time of its work alone
    :raises RuntimeError: if it fails
    """
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    watched = psutil.Process(process.pid)
    try:
        peak = _peak_until_its_end(watched)
        wall = time.perf_counter() - begin
        out, err = process.communicate()
    except BaseException:
        for each in (*watched.children(recursive=True), watched):
            with suppress(psutil.Error):
                each.kill()
        process.communicate()
        raise
    if process.returncode:
        raise RuntimeError(
            f"{command[0]} ended with code {process.returncode}: {err.decode('utf-8', 'replace')[-2000:]}"
        )
    last = out.strip().rpartition(b"\n")[2]  # Airflow's log comes before it
    output = json.loads(last) if last.startswith(b"{") else {}
    seconds = output.pop("seconds", wall)
    return Run(seconds, wall - seconds, peak, output)


def _peak_until_its_end(process: psutil.Process) -> int:
    peak, pause = 0, _EVERY / 16
    ended = os.pidfd_open(process.pid)  # becomes readable when it ends
    try:
        while not select.select([ended], [], [], pause)[0]:
            peak = max(peak, _memory(process))
            pause = min(2 * pause, _EVERY)
    finally:
        os.close(ended)
    return peak


def _memory(process: psutil.Process) -> int:
    total = 0
    with suppress(psutil.Error):
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += each.memory_full_info().pss
    return total
