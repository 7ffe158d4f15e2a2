"""Read the log of a task: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any


def task_log(home: Path, dag_id: str, run_id: str, task_id: str, attempt: int) -> Path:
    """Return the path of the log of one attempt of a task."""
    return home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}" / f"attempt={attempt}.log"


def last_progress(log: Path) -> str:
    """Return the last message about progress; empty if there is none."""
    messages = [str(entry.get("event", "")) for entry in entries(log)]
    return next((message for message in reversed(messages) if "progress" in message), "")


def last_error(log: Path) -> str:
    """Return the last error in one line: the exception's text, if there is one."""
    for entry in reversed(list(entries(log))):
        if details := entry.get("error_detail"):
            return f"{details[-1].get('exc_type')}: {details[-1].get('exc_value')}"
        if entry.get("level") in ("error", "critical"):
            return str(entry.get("event"))
    return "the log contains no error"


def entries(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the entries that a log has so far."""
    if not log.is_file():
        return
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry
