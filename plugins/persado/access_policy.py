"""
A cluster policy: a DAG that sends personal data through this project must begin with the gate.

Airflow finds it by the entry point ``airflow.policy`` of this distribution. It is asked about every DAG, so it imports
nothing but what every DAG file has imported anyway.
"""

from __future__ import annotations

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
    Refuse a DAG that sends personal data, or says so by its tag, unless the gate comes before everything else.

    :raises AirflowClusterPolicyViolation: Airflow shows it under Import Errors and does not take the DAG
    """
    if TAG not in dag.tags and not any(_sends_pii(task) for task in dag.tasks):
        return
    from persado.gate import PersadoGateOperator

    gates = [task for task in dag.tasks if isinstance(task, PersadoGateOperator)]
    if not gates:
        raise AirflowClusterPolicyViolation(
            f"{dag.dag_id}: sends personal data (a column or the DAG is marked pii), but no PersadoGateOperator decides"
            " who may. Put one before its first task, or describe the delivery as an orchestration, which has one."
        )
    behind = set().union(*(task.get_flat_relative_ids() for task in gates))
    before = sorted(task.task_id for task in dag.tasks if task not in gates and task.task_id not in behind)
    if before:
        raise AirflowClusterPolicyViolation(
            f"{dag.dag_id}: the PersadoGateOperator does not come before {', '.join(before)}. Put it before every other"
            " task."
        )
    loose = [task for task in dag.tasks if task not in gates and _ours(task) and task.trigger_rule != "all_success"]
    if loose:
        raise AirflowClusterPolicyViolation(
            f"{dag.dag_id}: {', '.join(sorted(task.task_id for task in loose))} may run though the PersadoGateOperator"
            " refuses, because of the trigger rule. Use all_success."
        )


def _ours(task: AbstractOperator) -> bool:
    return type(task).__module__.startswith("persado.")


def _sends_pii(task: AbstractOperator) -> bool:
    columns = getattr(getattr(task, "selection", None), "columns", None) if _ours(task) else None
    return any(column.pii for column in columns or ())
