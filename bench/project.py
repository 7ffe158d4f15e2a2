"""Contender: this project, chained or streamed, without Airflow."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench import DUCKDB_MEMORY, SITE
from persado.pipeline import chained
from persado.pipeline.encrypt.public_key import read_public_key
from persado.pipeline.names import Names
from persado.pipeline.recipe import Recipe
from persado.pipeline.rows.row_spec import RowSpec
from persado.pipeline.site.connect import connect
from persado.pipeline.site.reconnect import KeptSession
from persado.pipeline.site.site import Site
from persado.pipeline.stage.area import StageArea
from persado.pipeline.streamed import deliver
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.staged import Upload, upload
from persado.pipeline.upload.streaming import StreamUpload
from persado.settings.filenames.template import NameValues
from persado.settings.models.effective import Settings

_ID = "0123456789abcdef"
_SETTINGS = {"filename_template": "customers.csv.gz", "encoding": "gzip", "pgp_public_key": "receiver.asc"}

Connect = Callable[[str], Any]
"""Opens a database connection."""


@dataclass(frozen=True)
class Job:
    """What is delivered, and where to; passed as JSON."""

    how: str
    source: str
    database: str
    sql: str
    inbox: str
    key: str
    stage: str


def site_of_bench(**changed: Any) -> Site:
    """Return the site from the environment, which other users cannot read."""
    return Site(**json.loads(os.environ[SITE]) | changed)


def main(text: str) -> None:
    """Deliver, and print how long it took and how the rows were read."""
    job = Job(**json.loads(text))
    settings = Settings.model_validate(_SETTINGS)
    names = Names(settings, NameValues(now=datetime.now(UTC), orchestration="bench", run_id="bench"))
    key = read_public_key(Path(job.key).read_bytes())
    connect_to = _driver(job.source)
    begin = time.perf_counter()
    done = (_stream if job.how == "streamed" else _chain)(job, connect_to, Recipe(names, key))
    print(json.dumps({"seconds": time.perf_counter() - begin, **done}))


def _stream(job: Job, connect_to: Connect, recipe: Recipe) -> dict[str, Any]:
    def source() -> AbstractContextManager[Any]:
        return closing(connect_to(job.database))

    with closing(KeptSession(partial(connect, site_of_bench(), proven=True))) as session:
        site = StreamUpload(session, UploadPlan(delivery_id=_ID, remote_folder=job.inbox))
        done = deliver(source, job.sql, RowSpec(), recipe, site, lambda rows: None, lambda rows, size: None)
    return {"rows": done.rows, "read_by": done.read_by}


def _chain(job: Job, connect_to: Connect, recipe: Recipe) -> dict[str, Any]:
    area = StageArea(Path(job.stage), _ID)
    stages = [time.perf_counter()]
    with closing(connect_to(job.database)) as connection:
        rows, read_by = chained.extract_stage(area, connection, job.sql, RowSpec(), recipe.settings, _ignore)
    stages.append(time.perf_counter())
    files = chained.format_stage(area, rows, recipe, _ignore)
    stages.append(time.perf_counter())
    files = chained.encode_stage(area, files, recipe, _ignore)
    stages.append(time.perf_counter())
    files = chained.encrypt_stage(area, files, recipe, _ignore)
    stages.append(time.perf_counter())
    uploads = [Upload(f"{job.inbox}/{file.name}", file.bytes, file.sha256, partial(area.open, file)) for file in files]
    upload(partial(connect, site_of_bench()), uploads, UploadPlan(delivery_id=_ID, remote_folder=job.inbox))
    stages.append(time.perf_counter())
    area.remove()
    seconds = [end - begin for begin, end in itertools.pairwise(stages)]
    names_of_stages = ("extract", "format", "encode", "encrypt", "upload")
    return {"rows": rows.rows, "read_by": read_by, "stages": dict(zip(names_of_stages, seconds, strict=True))}


def _driver(source: str) -> Connect:
    if source == "postgres":
        import psycopg

        return psycopg.connect
    if source == "duckdb":
        import duckdb

        # An Airflow connection's extra can set this; by default DuckDB keeps all that it has read from its file.
        return lambda database: duckdb.connect(
            database, read_only=database != ":memory:", config={"memory_limit": DUCKDB_MEMORY}
        )
    import sqlite3

    return sqlite3.connect


def _ignore(rows: int, size: int) -> None:
    pass


if __name__ == "__main__":
    main(sys.argv[1])
