"""The stages of a delivery as Airflow operators; :mod:`persado.operators.stage` has an example."""

from persado.operators.stage import (
    PersadoDeliverOperator,
    PersadoEncodeOperator,
    PersadoEncryptOperator,
    PersadoExtractOperator,
    PersadoFormatOperator,
    PersadoOperator,
    PersadoStageOperator,
    PersadoSuccessFileOperator,
    PersadoUploadOperator,
)

__all__ = [
    "PersadoDeliverOperator",
    "PersadoEncodeOperator",
    "PersadoEncryptOperator",
    "PersadoExtractOperator",
    "PersadoFormatOperator",
    "PersadoOperator",
    "PersadoStageOperator",
    "PersadoSuccessFileOperator",
    "PersadoUploadOperator",
]
