"""A preview without a scheduler: builds a run of the DAG in memory and lets Airflow render the first task."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param
from airflow.sdk.api.datamodels._generated import DagRun, TIRunContext
from airflow.sdk.exceptions import AirflowException
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.sdk.timezone import coerce_datetime
from airflow.serialization.encoders import coerce_to_core_timetable

from persado.dag.factory import make_dag
from persado.errors import ConfigurationError
from persado.operators.run_params import for_templates
from persado.preview.dry_run import as_text, make_preview
from persado.preview.rendering import cannot_render
from persado.settings import Delivery
from persado.settings.models.params import RESERVED
from persado.settings.text.spelling import did_you_mean

if TYPE_CHECKING:
    from airflow.sdk import Context

# Outside a task, Airflow reads connections from the metadata database only if this is set.
os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")


def preview_run(
    delivery: Delivery, *, logical_date: datetime, params: Mapping[str, str], rows: int, count: bool
) -> tuple[str, bool]:
    """
    Return the preview of a manual run.

    :param logical_date: the run's logical date; its data interval is derived from it
    :param params: values of the orchestration's parameters, as text
    :param rows: number of rows to show
    :param count: whether to count all rows
    :return: the preview as text, and whether no problem was found
    :raises ConfigurationError: if a parameter, the source or the query is invalid
    :raises TransientError: if the source is unreachable or busy
    """
    dag = make_dag(delivery)
    task: Any = next(task for task in dag.tasks if "sql" in task.template_fields)
    context = _context(dag, task, logical_date, _values(dag, params))
    _render(task, context, delivery)
    found = make_preview(task, context, rows=rows, count=count)
    return as_text(task, found), not found.problems


def _values(dag: DAG, params: Mapping[str, str]) -> dict[str, Any]:
    known = [name for name in dag.params if name not in RESERVED]
    values = {}
    for name, text in params.items():
        if name not in known:
            hint = did_you_mean(name, known) or (
                f" The orchestration has: {', '.join(known)}." if known else " The orchestration has no parameters."
            )
            raise ConfigurationError(f"--param {name}: unknown parameter.{hint}")
        values[name] = _value(name, text, dag.params.get_param(name))
    if missing := [name for name in known if name not in values and not dag.params.get_param(name).has_value]:
        raise ConfigurationError(f"the parameter {missing[0]} has no default. Set it with --param {missing[0]}=...")
    return values


def _value(name: str, text: str, param: Param) -> Any:
    """Return the text, or else its value as JSON, whichever the parameter's schema allows."""
    candidates: list[Any] = [text]
    with suppress(ValueError):
        candidates.append(json.loads(text))
    problem = ""
    for candidate in candidates:
        try:
            return param.resolve(candidate)
        except (AirflowException, ValueError) as error:
            problem = str(error).strip().partition("\n")[0]
    raise ConfigurationError(f"--param {name}: {problem}")


def _context(dag: DAG, task: Any, logical_date: datetime, values: Mapping[str, Any]) -> Context:
    now = datetime.now(UTC)
    interval = coerce_to_core_timetable(dag.timetable).infer_manual_data_interval(
        run_after=coerce_datetime(logical_date)
    )
    run = DagRun.model_validate(
        {
            "dag_id": dag.dag_id,
            "run_id": f"manual__{logical_date.isoformat()}",
            "logical_date": logical_date,
            "data_interval_start": interval.start,
            "data_interval_end": interval.end,
            "run_after": now,
            "start_date": now,
            "end_date": None,
            "run_type": "manual",
            "state": "running",
            "conf": dict(values),
            "consumed_asset_events": [],
            "partition_key": None,
        }
    )
    construct: Any = RuntimeTaskInstance.model_construct  # without a bundle and a version of the DAG
    instance = construct(
        id=uuid.uuid4(),
        dag_id=dag.dag_id,
        task_id=task.task_id,
        run_id=run.run_id,
        try_number=1,
        map_index=-1,
        task=task,
        start_date=now,
        _ti_context_from_server=TIRunContext(dag_run=run, max_tries=0),
    )
    context: Context = instance.get_template_context()
    return context


def _render(task: Any, context: Context, delivery: Delivery) -> None:
    environment, context = task.get_template_env(), for_templates(context)
    for field in task.template_fields:
        try:
            setattr(task, field, task.render_template(getattr(task, field), context, environment))
        except Exception as error:  # a template may call code that raises anything
            where = f"queries/{delivery.orchestration.query}" if field == "sql" else field
            raise cannot_render(where, error) from None
