"""
The first task of a delivery of personal data: nothing is read unless whoever set the run going may send it.

It is the layer below the auth manager, for ways that lead past it: an asset event in a chain of DAGs, a DAG that
triggers another one, an Airflow with another auth manager. A task cannot ask Airflow for anybody's roles; so the
scheduler finds them out when a run starts (:mod:`persado.run_listener`) and leaves them in this task's state. What
nobody vouches for is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from persado.access import LOCAL_USER
from persado.errors import RejectedError
from persado.operators import PersadoOperator
from persado.originators import STATE_KEY, Originator, parse, refusals
from persado.settings import Access

if TYPE_CHECKING:
    from airflow.sdk import Context

GATE = "gate"
"""The task's id in the DAGs of orchestrations."""


class PersadoGateOperator(PersadoOperator):
    """
    Let the run go on only if everybody who set it going may send.

    :param access: what destination and data template both allow
    :param pii: whether personal data is sent
    :param asset: the asset that stands for the delivery: its ledger keeps a record of every refusal
    """

    stage = GATE

    def __init__(
        self, *, access: Access | dict[str, Any], pii: bool = True, asset: Asset | None = None, **kwargs: Any
    ) -> None:
        super().__init__(asset=asset, **kwargs)
        self.access = Access.model_validate(access)
        self.pii = pii

    def execute(self, context: Context) -> None:
        """
        Look who set the run going.

        :raises RejectedError: if one of them may not send
        """
        run = context["dag_run"]
        originators = self._originators(context)
        if reasons := list(refusals(originators, self.access, pii=self.pii)):
            told = "; ".join(reasons)
            self.fail(context, RejectedError(f"{run.dag_id}: refused: {told}. Ask an operator to send it."))
        for originator in originators:
            self.log.info("%s may send: %s %s", originator.name, originator.kind, ", ".join(originator.roles))

    def _originators(self, context: Context) -> list[Originator]:
        left = context["task_state_store"].get(STATE_KEY)
        if left is not None:
            try:
                return parse(left)
            except ValueError:
                return [Originator(kind="unknown", name="what the scheduler has left in the gate's state is damaged")]
        run = context["dag_run"]
        if run.run_type == "scheduled":
            return [Originator(kind="automatic", name="the schedule")]
        if run.triggering_user_name == LOCAL_USER:
            return [Originator(kind="automatic", name="airflow dags test")]
        name = "the scheduler has not said who set this run going: it runs without this project's plugin"
        return [Originator(kind="unknown", name=name)]
