"""Progress of a stage in the task's log."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from persado.pipeline.stage.receipt import StageRecord

EVERY = 2.0
"""Seconds between two log lines."""


class Progress:
    """Count rows and bytes, and log a line every few seconds."""

    def __init__(self, stage: str, log: Any) -> None:
        self.started = datetime.now(UTC)
        self._stage = stage
        self._log = log
        self._begin = self._logged = time.monotonic()
        self._rows = self._bytes = 0

    @property
    def seconds(self) -> float:
        """Seconds since the stage began."""
        return time.monotonic() - self._begin

    def add(self, rows: int, size: int) -> None:
        """Add processed rows and bytes."""
        self._rows += rows
        self._bytes += size
        if time.monotonic() - self._logged >= EVERY:
            self._logged = time.monotonic()
            self._log.info("progress: %s", self._line(self._stage, self._rows, self._bytes, self.seconds))

    def finish(self, record: StageRecord) -> None:
        """Log the totals of the stage."""
        self._log.info("finished: %s", self._line(self._stage, record.rows, record.bytes, self.seconds))

    @staticmethod
    def _line(stage: str, rows: int, size: int, seconds: float) -> str:
        rate = size / max(seconds, 0.001) / 1e6
        return f"{stage}: {rows:,} rows, {size / 1e6:,.1f} MB, {rate:,.1f} MB/s"
