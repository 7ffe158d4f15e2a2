"""
Record who started a run, for its gate, when the scheduler starts it.

Without the record the gate refuses the run, unless the schedule or ``airflow dags test`` started it.

Every process that loads plugins imports this module, so it imports as little as possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:
    """Record who started the run; called in the scheduler only, which can read the database."""
    from persado.access.provenance import inform_gates

    inform_gates(dag_run)
