"""
Who started a run, as Airflow's database shows. Used by the scheduler.

A task knows the name of the user who pressed *Trigger*, but neither that user's roles nor what started the DAGs before
its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from airflow.models.asset import (
    AssetEvent,
    AssetModel,
    DagScheduleAssetNameReference,
    DagScheduleAssetUriReference,
)
from airflow.models.dagrun import DagRun
from airflow.state import TaskScope, get_state_backend
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import func, select
from sqlalchemy.orm import object_session

from persado.access.originators import STATE_KEY, Originator, dump
from persado.access.roles import knows_users, only_operators_make_asset_events, roles_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

GATES = frozenset({"PersadoGateOperator"})
READERS = frozenset({"PersadoExtractOperator", "PersadoDeliverOperator"})


def inform_gates(dag_run: DagRun) -> None:
    """
    Store a run's originators in the task state of its gates or, without a gate, of the tasks that read data.

    This happens in the transaction that starts the run.
    """
    session, dag = object_session(dag_run), dag_run.dag
    types = {task.task_id: task.task_type for task in dag.tasks} if dag else {}
    asking = [name for name, type_ in types.items() if type_ in GATES] or [
        name for name, type_ in types.items() if type_ in READERS
    ]
    if session is None or not asking:
        return
    found = dump(list(originators(dag_run, session)))
    for task_id in asking:
        scope = TaskScope(dag_id=dag_run.dag_id, run_id=dag_run.run_id, task_id=task_id)
        get_state_backend().set(scope, STATE_KEY, json.dumps(found), session=session)


def originators(dag_run: DagRun, session: Session) -> Iterator[Originator]:
    """Yield who or what started a run: the start of each chain of asset events that led to it."""
    seen: set[int] = set()
    runs = [dag_run]
    while runs:
        run = runs.pop()
        if run.id in seen:
            continue
        seen.add(run.id)
        if run.run_type == DagRunType.ASSET_TRIGGERED and run.triggering_user_name is None:
            for event in events(run, session):
                source = _source(event, session)
                if isinstance(source, DagRun):
                    runs.append(source)
                else:
                    yield source
        else:
            yield _originator(run, session)


def events(run: DagRun, session: Session) -> list[AssetEvent]:
    """
    Return the asset events that led to a run.

    Airflow does not record the events of assets that the schedule refers to by name or URI only, as `when_changed`
    does. For these, every event counts since the previous run or, without one, since the DAG began to wait for them.
    That may be too many, never too few.

    :param run: a run started by assets
    """
    known: list[Any] = []
    since: list[datetime] = []
    for reference, named in (
        (DagScheduleAssetUriReference, AssetModel.uri == DagScheduleAssetUriReference.uri),
        (DagScheduleAssetNameReference, AssetModel.name == DagScheduleAssetNameReference.name),
    ):
        found = session.execute(
            select(AssetModel.id, reference.created_at).where(named, reference.dag_id == run.dag_id)
        ).all()
        known += [asset_id for asset_id, _ in found]
        since += [created_at for _, created_at in found]
    if not known:
        return list(run.consumed_asset_events)
    before = session.scalar(
        select(func.max(DagRun.run_after)).where(
            DagRun.dag_id == run.dag_id,
            DagRun.run_type == DagRunType.ASSET_TRIGGERED,
            DagRun.run_after < run.run_after,
        )
    )
    unrecorded = session.scalars(
        select(AssetEvent).where(
            AssetEvent.asset_id.in_(known),
            AssetEvent.timestamp > (before or min(since)),
            AssetEvent.timestamp <= (run.start_date or datetime.now(UTC)),
        )
    )
    return [*run.consumed_asset_events, *unrecorded]


def _originator(run: DagRun, session: Session) -> Originator:
    # A backfill takes over existing runs: its user counts, not the one who first started them.
    name = run.backfill.triggering_user_name if run.backfill else run.triggering_user_name
    if run.run_type == DagRunType.SCHEDULED:
        return Originator(kind="automatic", name="the schedule")
    if run.triggered_by in (DagRunTriggeredByType.CLI, DagRunTriggeredByType.TEST):
        # Airflow's command line has direct access to the database and needs no permission.
        return Originator(kind="automatic", name="Airflow's command line")
    if name is None:
        return Originator(kind="unknown", name=f"the run {run.run_id} of {run.dag_id} was started without a user name")
    roles = roles_of(name, session)
    if roles is None:
        kind: Literal["nobody", "unknown"] = "nobody" if knows_users() else "unknown"
        return Originator(kind=kind, name=f"Airflow knows no active user {name!r}")
    return Originator(kind="person", name=name, roles=tuple(sorted(roles)))


def _source(event: AssetEvent, session: Session) -> DagRun | Originator:
    if event.source_dag_id and event.source_run_id:
        run = session.scalar(
            select(DagRun).where(DagRun.dag_id == event.source_dag_id, DagRun.run_id == event.source_run_id)
        )
        return run or Originator(kind="unknown", name=f"the run of {event.source_dag_id} that led to this one is gone")
    if not (event.extra or {}).get("from_rest_api"):
        return Originator(kind="automatic", name="an asset watcher")
    if only_operators_make_asset_events():
        return Originator(kind="automatic", name="an operator's asset event")
    return Originator(kind="unknown", name="an asset event was created through the API")
