"""A delivery's run in Airflow: its state and its tasks."""

from __future__ import annotations

from datetime import datetime

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select


class Task(BaseModel):
    """
    A task of a run.

    :param map_index: the index of a mapped task; -1 if the task is not mapped
    :param state: its state; None before it is scheduled
    :param try_number: how often it was started
    """

    model_config = ConfigDict(frozen=True)

    task_id: str
    map_index: int
    state: str | None
    try_number: int


class Run(BaseModel):
    """
    A DAG run.

    :param run_type: ``manual``, ``scheduled``, ``asset_triggered`` or ``backfill``
    :param triggered_by: the user who started it
    :param started: when its first task started
    :param tasks: its tasks, in the order in which they started
    """

    model_config = ConfigDict(frozen=True)

    dag_id: str
    run_id: str
    state: str
    run_type: str
    triggered_by: str | None
    started: datetime | None
    tasks: tuple[Task, ...] = ()


def read_run(dag_id: str, run_id: str, *, with_tasks: bool) -> Run | None:
    """
    Read a run from Airflow's database.

    :param with_tasks: whether to read its tasks too
    :return: None if there is no such run, for example because `airflow db clean` has removed it
    """
    with create_session() as session:
        run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        if run is None:
            return None
        query = select(TaskInstance).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
        tasks = session.scalars(query).all() if with_tasks else []
        # Tasks that have not started come last.
        tasks = sorted(tasks, key=lambda task: (task.start_date is None, str(task.start_date), task.task_id))
        return Run(
            dag_id=dag_id,
            run_id=run_id,
            state=str(run.state),
            run_type=str(run.run_type),
            triggered_by=run.triggering_user_name,
            started=run.start_date,
            tasks=tuple(
                Task(
                    task_id=task.task_id,
                    map_index=task.map_index,
                    state=str(task.state) if task.state else None,
                    try_number=task.try_number,
                )
                for task in tasks
            ),
        )
