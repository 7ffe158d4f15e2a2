"""Runs orchestrations as real DAG runs, and tells on the way what each stage does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape

from demo.airflow_api import AirflowAPI
from demo.task_log import last_error, last_progress, task_log

TIME_OUT = 900.0
POLL = 0.2
ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}


class DeliveryError(Exception):
    """A delivery failed; the text names the log to read."""


@dataclass(frozen=True)
class Delivery:
    """
    A delivery that has ended well.

    :param orchestration: its name, which is the DAG's
    :param start: the beginning of the run's data interval
    :param end: the end of the run's data interval
    :param receipt: what the run wrote about itself
    """

    orchestration: str
    start: datetime
    end: datetime
    receipt: Mapping[str, Any]


def deliver(
    api: AirflowAPI, home: Path, orchestrations: Sequence[str], console: Console, check: Callable[[], None]
) -> list[Delivery]:
    """
    Trigger the DAGs of some orchestrations, all at once, and follow their runs to the end.

    :param home: Airflow's home folder, where the logs are
    :param orchestrations: their names
    :param console: where the progress goes
    :param check: raises if a part of Airflow does not run any more
    :raises DeliveryError: if a run fails
    """
    followers = [Follower(api, home, name, console) for name in orchestrations]
    deadline = time.monotonic() + TIME_OUT
    with console.status("queued") as status:
        while unfinished := [follower for follower in followers if not follower.ended]:
            status.update("; ".join([follower.look() for follower in unfinished]))
            check()
            if time.monotonic() > deadline:
                raise DeliveryError(f"no end after {TIME_OUT:.0f} s\n  read {home / 'logs'}")
            time.sleep(POLL)
    if failures := [follower.failure() for follower in followers if not follower.succeeded]:
        raise DeliveryError("\n".join(failures))
    return [follower.delivery() for follower in followers]


def next_interval(dag: Mapping[str, Any]) -> dict[str, Any]:
    """
    Say which run to trigger: of a scheduled DAG, the one that its schedule would start now.

    The schedule leaves out what has run; so the DAG runs once, and not once more as soon as it is no longer paused.
    """
    if dag.get("next_dagrun_logical_date") and dag.get("next_dagrun_data_interval_start"):
        return {
            "logical_date": dag["next_dagrun_logical_date"],
            "data_interval_start": dag["next_dagrun_data_interval_start"],
            "data_interval_end": dag["next_dagrun_data_interval_end"],
        }
    return {"logical_date": datetime.now(UTC).isoformat()}


class Follower:
    """
    One run, from its trigger on; prints each stage as it ends.

    :param api: Airflow's API
    :param home: Airflow's home folder
    :param orchestration: the DAG to trigger
    :param console: where the progress goes
    """

    def __init__(self, api: AirflowAPI, home: Path, orchestration: str, console: Console) -> None:
        self._api = api
        self._home = home
        self._orchestration = orchestration
        self._console = console
        self._run = api.trigger(orchestration, **next_interval(api.dag(orchestration) or {}))
        self._tasks: list[Mapping[str, Any]] = []
        self._told: set[tuple[str, str, int]] = set()

    @property
    def ended(self) -> bool:
        """Whether the run has come to its end, good or bad."""
        return self._run["state"] in ENDED

    @property
    def succeeded(self) -> bool:
        """Whether it has come to a good end."""
        return bool(self._run["state"] == "success")

    def look(self) -> str:
        """Print what is new, and say in a word what goes on."""
        self._run = self._api.run(self._orchestration, self._run["dag_run_id"])
        self._tasks = self._api.tasks(self._orchestration, self._run["dag_run_id"])
        for task in sorted(self._tasks, key=lambda task: task["start_date"] or "~"):
            told = (task["task_id"], task["state"], task["try_number"])
            if task["state"] in (*ENDED, "up_for_retry") and told not in self._told:
                self._told.add(told)
                self._tell(task)
        running = [task for task in self._tasks if task["state"] == "running"]
        doing = [f"{task['task_id']} {last_progress(self._log(task))}".strip() for task in running]
        return f"{self._orchestration}: {', '.join(doing) or 'waiting'}"

    def failure(self) -> str:
        """Say which task failed, why, and where to read on."""
        failed = [task for task in self._tasks if task["state"] == "failed"]
        if not failed:
            return f"{self._orchestration}: the run failed before any task did\n  read {self._home / 'logs'}"
        log = self._log(failed[0])
        return f"{self._orchestration}: {failed[0]['task_id']} failed: {last_error(log)}\n  read {log}"

    def delivery(self) -> Delivery:
        """Give the delivery of a run that has come to a good end, with the receipt from its asset event."""
        events = self._api.asset_events(self._orchestration, self._run["dag_run_id"])
        return Delivery(
            orchestration=self._orchestration,
            start=datetime.fromisoformat(self._run["data_interval_start"] or self._run["run_after"]),
            end=datetime.fromisoformat(self._run["data_interval_end"] or self._run["run_after"]),
            receipt=(events[-1]["extra"] or {}) if events else {},
        )

    def _log(self, task: Mapping[str, Any]) -> Path:
        attempt = max(1, task["try_number"])
        return task_log(self._home, self._orchestration, self._run["dag_run_id"], task["task_id"], attempt)

    def _tell(self, task: Mapping[str, Any]) -> None:
        name, state = task["task_id"], task["state"]
        if state == "success":
            result = self._api.result(self._orchestration, self._run["dag_run_id"], name)
            mark, text = "[green]✓[/green]", measured(result, task)
        elif state == "failed":
            mark, text = "[red]✗[/red]", "failed"
        elif state == "up_for_retry":
            mark, text = "[yellow]…[/yellow]", f"to be tried again: {escape(last_error(self._log(task)))}"
        else:
            mark, text = "-", state
        self._console.print(f"{mark} {self._orchestration:<18}{name:<13}{text}", highlight=False, soft_wrap=True)


def measured(result: Any, task: Mapping[str, Any]) -> str:
    """Give rows, bytes, time and rate of a stage, as far as its result tells them; only the time of another task."""
    stages = (result.get("stages") if isinstance(result, Mapping) else None) or [{}]
    record = stages[-1]
    seconds = float(record.get("seconds") or task["duration"] or 0)
    if not record:
        return f"{'':>14}{'':>12}{seconds:>8.2f} s"
    size = int(record.get("bytes") or 0)
    rate = f"{decimal(int(size / seconds))}/s" if size and seconds else ""
    return f"{record.get('rows') or 0:>9,} rows{decimal(size):>12}{seconds:>8.2f} s{rate:>14}"
