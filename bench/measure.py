"""Run a contender: how long it takes, and how much memory its processes need at their peak."""

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
"""Seconds between two looks at the memory; each costs the contender some time."""


@dataclass(frozen=True)
class Run:
    """
    One run of a contender.

    :param seconds: how long its work took: what it says itself, else from its start to its end
    :param startup: how long it took besides: to start Python and import what it needs
    :param peak: the most memory in bytes that its processes had at a time; what they share counts once
    :param told: what else it says
    """

    seconds: float
    startup: float
    peak: int
    told: Mapping[str, Any]


def measured(command: Sequence[str], environment: Mapping[str, str]) -> Run:
    """
    Run a contender.

    :param command: its program and arguments; its last line may be a JSON object, with ``seconds`` for its work alone
    :param environment: its environment
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
    last = out.strip().rpartition(b"\n")[2]  # Airflow's log stands before it
    told = json.loads(last) if last.startswith(b"{") else {}
    seconds = told.pop("seconds", wall)
    return Run(seconds, wall - seconds, peak, told)


def _peak_until_its_end(process: psutil.Process) -> int:
    peak, pause = 0, _EVERY / 16
    ended = os.pidfd_open(process.pid)  # readable at the moment of its end
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
