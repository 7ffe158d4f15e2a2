"""
A cluster policy: a DAG that sends personal data through this project must begin with the gate.

Airflow finds it through the entry point ``airflow.policy``. It runs for every DAG, so it imports only modules that
every DAG file has imported anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow.exceptions import AirflowClusterPolicyViolation
from airflow.policies import hookimpl

if TYPE_CHECKING:
    from airflow.sdk import DAG
    from airflow.sdk.definitions._internal.abstractoperator import AbstractOperator

TAG = "pii"


@hookimpl
def dag_policy(dag: DAG) -> None:
    """
    Refuse a DAG that sends personal data or has the tag ``pii``, unless it begins with the gate.

    :raises AirflowClusterPolicyViolation: if it does not; Airflow then rejects the DAG and lists it under Import Errors
    """
    if TAG not in dag.tags and not any(_sends_pii(task) for task in dag.tasks):
        return
    from persado.operators.gate import PersadoGateOperator

    gates = [task for task in dag.tasks if isinstance(task, PersadoGateOperator)]
    if not gates:
        raise AirflowClusterPolicyViolation(
            f"{dag.dag_id}: sends personal data (a column or the DAG is marked pii), but no PersadoGateOperator decides"
            " who may send it. Put one before its first task, or write the delivery as an orchestration, which has one."
        )
    downstream = set().union(*(task.get_flat_relative_ids() for task in gates))
    before = sorted(task.task_id for task in dag.tasks if task not in gates and task.task_id not in downstream)
    if before:
        raise AirflowClusterPolicyViolation(
            f"{dag.dag_id}: the PersadoGateOperator does not come before {', '.join(before)}. Put it before every other"
            " task."
        )
    stopped = _stopped_by(gates)
    loose = sorted(
        task.task_id for task in dag.tasks if task not in gates and _ours(task) and task.task_id not in stopped
    )
    if loose:
        raise AirflowClusterPolicyViolation(
            f"{dag.dag_id}: {', '.join(loose)} may run although the PersadoGateOperator refuses, because of a trigger"
            " rule: its own or that of a task in between. Use all_success."
        )


def _stopped_by(gates: Sequence[AbstractOperator]) -> set[str]:
    """Return the tasks that never run if a gate fails: each requires the success of a gate or of another such task."""
    stopped: set[str] = set()
    todo = list(gates)
    while todo:
        for task in todo.pop().downstream_list:
            if task.trigger_rule == "all_success" and task.task_id not in stopped:
                stopped.add(task.task_id)
                todo.append(task)
    return stopped


def _ours(task: AbstractOperator) -> bool:
    kind = getattr(task, "operator_class", type(task))  # a mapped task names its operator's class
    return any(base.__module__.startswith("persado.") for base in kind.__mro__)


def _sends_pii(task: AbstractOperator) -> bool:
    if not _ours(task):
        return False
    from airflow.sdk.definitions.mappedoperator import MappedOperator

    if isinstance(task, MappedOperator):
        expanded = task.expand_input.value
        if "sql" in task.template_fields and (not isinstance(expanded, Mapping) or "columns" in expanded):
            return True  # the columns are not known yet
        columns = task.partial_kwargs.get("columns")
    else:
        columns = getattr(getattr(task, "row_spec", None), "columns", None)
    return any(column.get("pii") if isinstance(column, Mapping) else column.pii for column in columns or ())
