"""Streamed deliveries from DuckDB to a test site."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any

import duckdb

from persado.pipeline.encrypt.public_key import PublicKey
from persado.pipeline.names import Names
from persado.pipeline.recipe import Recipe
from persado.pipeline.rows.row_spec import RowSpec
from persado.pipeline.site.connect import connect
from persado.pipeline.site.reconnect import KeptSession
from persado.pipeline.streamed import Streamed, deliver
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.rules import SiteRules
from persado.pipeline.upload.streaming import StreamUpload
from persado.settings.filenames.template import NameValues
from persado.settings.models.effective import Settings

DELIVERY = "0123456789abcdef"
VALUES = NameValues(now=datetime(2026, 11, 24, tzinfo=UTC), orchestration="o", run_id="r")
ROWS = """
SELECT i AS id, lpad((i % 70000)::text, 5, '0') AS code, 'a, "b" ' || (i * 2654435761 % 1000003) AS text,
       CASE WHEN i % 3 <> 0 THEN i * 0.25 END AS amount FROM range(120000) t(i)
"""


def settings(**given: Any) -> Settings:
    """Return effective settings."""
    return Settings.model_validate({"filename_template": "out.csv", "remote_folder": "/inbox", **given})


def stream(
    server: Any,
    wanted: Settings,
    sql: str = ROWS,
    *,
    connection: Any = None,
    check_rows: Callable[[int], None] = lambda rows: None,
    on_progress: Callable[[int, int], None] = lambda rows, size: None,
    site: dict[str, Any] | None = None,
    key: PublicKey | None = None,
) -> Streamed:
    """Deliver rows to the server's inbox."""
    base = server.remote("inbox").rstrip("/")
    names = Names(wanted, VALUES)

    def source() -> AbstractContextManager[Any]:
        return nullcontext(connection) if connection is not None else closing(duckdb.connect())

    with closing(KeptSession(partial(connect, server.site(**site or {}), proven=True))) as session:
        plan = UploadPlan(
            delivery_id=DELIVERY,
            remote_folder=base,
            done_path=f"{base}/{names.done()}",
            rules=SiteRules.of(wanted),
        )
        return deliver(source, sql, RowSpec(), Recipe(names, key), StreamUpload(session, plan), check_rows, on_progress)
