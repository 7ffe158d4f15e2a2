"""
The first task of a delivery of personal data: nothing is read unless whoever set the run going may send it.

It is the layer below the auth manager, for ways that lead past it: an asset event in a chain of DAGs, a DAG that
triggers another one, an Airflow with another auth manager. What nobody vouches for is refused, see
:mod:`persado.access.senders`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from persado.operators import PersadoOperator
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
        self.refuse_strangers(context, self.access, pii=self.pii)
