"""
The stages of a delivery as Airflow operators.

The DAGs of the orchestrations are built from them. They can be used in a hand-written DAG as well::

    settings = {"filename_template": "segment.csv.gz", "encoding": "gzip", "remote_folder": "/inbox"}
    extract = PersadoExtractOperator(task_id="extract", sql="segment.sql", conn_id="warehouse", settings=settings)
    format_ = PersadoFormatOperator(task_id="format", previous=extract.output, settings=settings)
    encode = PersadoEncodeOperator(task_id="encode", previous=format_.output, settings=settings)
    upload = PersadoUploadOperator(task_id="upload", previous=encode.output, settings=settings)
    PersadoSuccessFileOperator(task_id="success_file", previous=upload.output, settings=settings)

Each stage returns a :class:`~persado.pipeline.stage.receipt.StageResult` with the location of its files; the files
themselves stay in the stage area. A stage with outlet assets adds the
:class:`~persado.pipeline.stage.receipt.Receipt` to their events, so set ``outlets`` on the last one only.
"""

from persado.operators.deliver import PersadoDeliverOperator
from persado.operators.extract import PersadoExtractOperator
from persado.operators.gate import PersadoGateOperator
from persado.operators.stage import PersadoStageOperator
from persado.operators.staged import PersadoEncodeOperator, PersadoEncryptOperator, PersadoFormatOperator
from persado.operators.success_file import PersadoSuccessFileOperator
from persado.operators.task import PersadoOperator
from persado.operators.upload import PersadoUploadOperator

__all__ = [
    "PersadoDeliverOperator",
    "PersadoEncodeOperator",
    "PersadoEncryptOperator",
    "PersadoExtractOperator",
    "PersadoFormatOperator",
    "PersadoGateOperator",
    "PersadoOperator",
    "PersadoStageOperator",
    "PersadoSuccessFileOperator",
    "PersadoUploadOperator",
]
