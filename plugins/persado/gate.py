"""Public module of :class:`PersadoGateOperator`."""

from persado.operators.gate import PersadoGateOperator

__all__ = ["PersadoGateOperator"]
