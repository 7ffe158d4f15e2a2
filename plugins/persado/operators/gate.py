"""
The first task of a delivery of personal data: no data is read unless everybody who started the run may send it.

The gate covers what the auth manager cannot see:

* an asset event in a chain of DAGs
* a DAG that triggers another DAG
* an Airflow installation with another auth manager

A run of unknown origin is refused, see :mod:`persado.access.senders`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from persado.operators.task import PersadoOperator
from persado.settings import Access

if TYPE_CHECKING:
    from airflow.sdk import Context

GATE = "gate"
"""The id of the gate's task in the DAGs of orchestrations."""


class PersadoGateOperator(PersadoOperator):
    """
    Refuse the run unless everybody who started it may send.

    ::

        gate = PersadoGateOperator(task_id="gate", access={"business_users": True, "limited_pii": False})
        gate >> PersadoDeliverOperator(task_id="deliver", ...)

    :param access: what both the destination and the data template allow
    :param pii: whether personal data is sent
    :param asset: the asset of the delivery; refusals are recorded in its ledger
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
        Check everybody who started the run.

        :raises RejectedError: if one of them may not send
        """
        self.refuse_unauthorised(context, self.access, pii=self.pii)
