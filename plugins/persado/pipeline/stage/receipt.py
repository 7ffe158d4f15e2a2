"""What is known of a delivery: handed from stage to stage while it runs, kept as the receipt at the end."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from persado.pipeline.stage.artifact import Artifact
from persado.settings.filenames.template import NameValues


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageRecord(_Frozen):
    """
    What one stage did.

    :param stage: its name, such as ``extract``
    :param started: when it began, UTC
    :param seconds: how long it took
    :param rows: the rows that it passed on
    :param bytes: the bytes that it wrote
    :param files: the files that it wrote
    """

    stage: str
    started: datetime
    seconds: float
    rows: int
    bytes: int
    files: int


class StageResult(_Frozen):
    """
    What a stage hands to the next one. It travels through XCom; the data never does.

    :param delivery_id: marks the delivery's files in the stage area and its temporary names at the site; the same at
        every retry of the run
    :param values: what the placeholders of file names stand for, fixed once a run
    :param rows: the rows of the delivery
    :param artifacts: the files as the last stage left them
    :param stages: what the stages did so far, in order
    :param read_by: how the rows were read: ``postgres-copy``, ``postgres-cursor``, ``duckdb-arrow`` or ``dbapi``
    :param query_sha256: the SHA-256 of the query as it was run
    :param key_fingerprint: the OpenPGP key that the files are encrypted to
    :param warnings: what did not stop the delivery but should be seen
    """

    delivery_id: str
    values: NameValues
    rows: int
    artifacts: tuple[Artifact, ...]
    stages: tuple[StageRecord, ...] = ()
    read_by: str
    query_sha256: str
    key_fingerprint: str | None = None
    warnings: tuple[str, ...] = ()


class DeliveredFile(_Frozen):
    """A file at the site: its name below the remote folder, its full path, rows, bytes and SHA-256."""

    name: str
    remote_path: str
    rows: int
    bytes: int
    sha256: str


class Receipt(_Frozen):
    """
    Who sent what, where, and how it went. It holds no customer's data.

    :param outcome: ``delivered``
    :param delivery_id: the delivery's id
    :param orchestration: the orchestration's name
    :param destination: the destination's name, or the Airflow connection where there is none
    :param dag_id: the DAG
    :param run_id: the DAG run
    :param triggered_by: the user who started the run; None where the schedule or an asset did
    :param reason: why that user says that the run is made
    :param query_sha256: the SHA-256 of the query as it was run
    :param read_by: how the rows were read
    :param rows: the rows delivered
    :param files: the files at the site
    :param key_fingerprint: the OpenPGP key that they are encrypted to
    :param done_path: the full path of the success file; None where none is written
    :param started: when the first stage began, UTC
    :param finished: when the last one ended, UTC
    :param stages: what each stage did
    :param warnings: what did not stop the delivery but should be seen
    """

    outcome: str = "delivered"
    delivery_id: str
    orchestration: str
    destination: str
    dag_id: str
    run_id: str
    triggered_by: str | None
    reason: str | None = None
    query_sha256: str
    read_by: str
    rows: int
    files: tuple[DeliveredFile, ...]
    key_fingerprint: str | None
    done_path: str | None
    started: datetime
    finished: datetime
    stages: tuple[StageRecord, ...]
    warnings: tuple[str, ...] = ()
