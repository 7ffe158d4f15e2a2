"""The records of a delivery: passed from stage to stage while it runs, and the receipt at the end."""

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
    :param rows: the number of rows that it passed on
    :param bytes: the number of bytes that it wrote
    :param files: the number of files that it wrote
    """

    stage: str
    started: datetime
    seconds: float
    rows: int
    bytes: int
    files: int


class StageResult(_Frozen):
    """
    The result of a stage, passed to the next one through XCom. It never contains the data.

    :param delivery_id: marks the delivery's files in the stage area and its temporary names at the site; the same in
        every retry of the run
    :param values: the values of the placeholders in file names, fixed once per run
    :param rows: the number of rows of the delivery
    :param artifacts: the files as the last stage left them
    :param stages: what the stages did so far, in order
    :param read_by: how the rows were read: ``postgres-copy``, ``postgres-cursor``, ``duckdb-arrow`` or ``dbapi``
    :param query_sha256: the SHA-256 of the query as it was run
    :param key_fingerprint: the OpenPGP key that the files are encrypted to
    :param warnings: problems that did not stop the delivery
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
    Who sent what, where, and how it went. It contains no customer data.

    :param outcome: ``delivered``
    :param destination: the destination's name, or the Airflow connection if there is no destination
    :param triggered_by: the user who started the run; None if the schedule or an asset did
    :param reason: the reason that this user stated for the run
    :param query_sha256: the SHA-256 of the query as it was run
    :param read_by: how the rows were read, as in :class:`StageResult`
    :param rows: the number of rows delivered
    :param files: the files at the site
    :param key_fingerprint: the OpenPGP key that they are encrypted to
    :param done_path: the full path of the success file; None if none is written
    :param started: when the first stage began, UTC
    :param finished: when the last stage ended, UTC
    :param stages: what each stage did
    :param warnings: problems that did not stop the delivery
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
