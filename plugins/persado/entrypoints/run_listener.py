"""
Tells a run's gate who set the run going, when the scheduler starts it; the gate refuses a run it was told nothing of.

Every process that loads plugins imports this, so it imports nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.listeners import hookimpl

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:
    """Find out who set the run going; only the scheduler calls this, and only it may read the database."""
    from persado.access.provenance import inform_gates

    inform_gates(dag_run)
