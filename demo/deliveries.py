"""Run orchestrations as real DAG runs, and print the progress of each stage."""

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
    """A delivery failed; the message names the log."""


@dataclass(frozen=True)
class Delivery:
    """
    A successful delivery.

    :param orchestration: its name, which is the DAG's id
    :param start: the start of the run's data interval
    :param end: the end of the run's data interval
    :param receipt: the receipt in the run's asset event
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

    :param home: Airflow's home folder, which holds the logs
    :param check: raises if one of Airflow's processes has ended
    :raises DeliveryError: if a run fails
    """
    followers = [Follower(api, home, name, console) for name in orchestrations]
    deadline = time.monotonic() + TIME_OUT
    with console.status("queued") as status:
        while unfinished := [follower for follower in followers if not follower.ended]:
            status.update("; ".join([follower.refresh() for follower in unfinished]))
            check()
            if time.monotonic() > deadline:
                raise DeliveryError(f"not finished after {TIME_OUT:.0f} s\n  read {home / 'logs'}")
            time.sleep(POLL)
    if failures := [follower.failure() for follower in followers if not follower.succeeded]:
        raise DeliveryError("\n".join(failures))
    return [follower.delivery() for follower in followers]


def next_interval(dag: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return which run to trigger: for a scheduled DAG, the one that its schedule would start next.

    The schedule skips intervals that have a run, so unpausing the DAG does not start a second one.
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
    Triggers a run, and prints each stage as it ends.

    :param home: Airflow's home folder
    :param orchestration: the DAG to trigger
    """

    def __init__(self, api: AirflowAPI, home: Path, orchestration: str, console: Console) -> None:
        self._api = api
        self._home = home
        self._orchestration = orchestration
        self._console = console
        self._run = api.trigger(orchestration, **next_interval(api.dag(orchestration) or {}))
        self._tasks: list[Mapping[str, Any]] = []
        self._printed: set[tuple[str, str, int]] = set()

    @property
    def ended(self) -> bool:
        """Whether the run has ended, successfully or not."""
        return self._run["state"] in ENDED

    @property
    def succeeded(self) -> bool:
        """Whether the run was successful."""
        return bool(self._run["state"] == "success")

    def refresh(self) -> str:
        """Fetch the run's state, print the tasks that have ended since, and return a line about the running ones."""
        self._run = self._api.run(self._orchestration, self._run["dag_run_id"])
        self._tasks = self._api.tasks(self._orchestration, self._run["dag_run_id"])
        for task in sorted(self._tasks, key=lambda task: task["start_date"] or "~"):
            key = (task["task_id"], task["state"], task["try_number"])
            if task["state"] in (*ENDED, "up_for_retry") and key not in self._printed:
                self._printed.add(key)
                self._print(task)
        running = [task for task in self._tasks if task["state"] == "running"]
        progress = [f"{task['task_id']} {last_progress(self._log(task))}".strip() for task in running]
        return f"{self._orchestration}: {', '.join(progress) or 'waiting'}"

    def failure(self) -> str:
        """Return which task failed, why, and which log to read."""
        failed = [task for task in self._tasks if task["state"] == "failed"]
        if not failed:
            return f"{self._orchestration}: the run failed before any task did\n  read {self._home / 'logs'}"
        log = self._log(failed[0])
        return f"{self._orchestration}: {failed[0]['task_id']} failed: {last_error(log)}\n  read {log}"

    def delivery(self) -> Delivery:
        """Return the delivery of a successful run, with the receipt from its asset event."""
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

    def _print(self, task: Mapping[str, Any]) -> None:
        name, state = task["task_id"], task["state"]
        if state == "success":
            result = self._api.result(self._orchestration, self._run["dag_run_id"], name)
            mark, text = "[green]✓[/green]", measured(result, task)
        elif state == "failed":
            mark, text = "[red]✗[/red]", "failed"
        elif state == "up_for_retry":
            mark, text = "[yellow]…[/yellow]", f"will be retried: {escape(last_error(self._log(task)))}"
        else:
            mark, text = "-", state
        self._console.print(f"{mark} {self._orchestration:<18}{name:<13}{text}", highlight=False, soft_wrap=True)


def measured(result: Any, task: Mapping[str, Any]) -> str:
    """Return rows, bytes, time and rate of a stage; for a task whose result has no stages, the time only."""
    stages = (result.get("stages") if isinstance(result, Mapping) else None) or [{}]
    record = stages[-1]
    seconds = float(record.get("seconds") or task["duration"] or 0)
    if not record:
        return f"{'':>14}{'':>12}{seconds:>8.2f} s"
    size = int(record.get("bytes") or 0)
    rate = f"{decimal(int(size / seconds))}/s" if size and seconds else ""
    return f"{record.get('rows') or 0:>9,} rows{decimal(size):>12}{seconds:>8.2f} s{rate:>14}"
