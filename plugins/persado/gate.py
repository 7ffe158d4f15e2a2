"""The public name of the gate."""

from persado.operators.gate import PersadoGateOperator

__all__ = ["PersadoGateOperator"]
