"""Streamed deliveries: the same files as chained ones, and nothing left behind when anything breaks on the way."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.expect import nothing_left_behind, short_pauses  # noqa: F401 - fixtures
from support.sftp_server import SftpServer

from persado.pipeline import chained
from persado.pipeline.names import Names
from persado.pipeline.reconnect import KeptSession
from persado.pipeline.selection import Selection
from persado.pipeline.site import connect
from persado.pipeline.stage_area import StageArea
from persado.pipeline.stream_upload import StreamUpload
from persado.pipeline.streamed import Making, Streamed, deliver
from persado.settings.file_settings import Settings
from persado.settings.filename import NameValues

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")

DELIVERY = "0123456789abcdef"
VALUES = NameValues(now=datetime(2026, 11, 24, tzinfo=UTC), orchestration="o", run_id="r")
ROWS = """
SELECT i AS id, lpad((i % 70000)::text, 5, '0') AS code, 'a, "b" ' || (i * 2654435761 % 1000003) AS text,
       CASE WHEN i % 3 <> 0 THEN i * 0.25 END AS amount FROM range(120000) t(i)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site" / "inbox").mkdir(parents=True)
    return tmp_path / "site"


def settings(**given: Any) -> Settings:
    return Settings.model_validate({"filename_template": "out.csv", "remote_folder": "/inbox", **given})


def stream(server: Any, wanted: Settings, sql: str = ROWS, *, judge: Any = lambda rows: None, **more: Any) -> Streamed:
    """Deliver the rows of DuckDB."""
    base = server.remote("inbox").rstrip("/")
    names = Names(wanted, VALUES)
    with (
        closing(duckdb.connect()) as connection,
        closing(KeptSession(partial(connect, server.site(), proven=True))) as session,
    ):
        site = StreamUpload(session, delivery_id=DELIVERY, remote_folder=base, done_path=f"{base}/{names.done()}")
        making = Making(names, wanted, lambda name: f"{base}/{name}", more.get("key"), more.get("signing"))
        return deliver(connection, sql, Selection(), making, site, judge, lambda rows, size: None)


def chain(area: StageArea, wanted: Settings) -> dict[str, bytes]:
    """Make the same files stage by stage."""
    names = Names(wanted, VALUES)
    with closing(duckdb.connect()) as connection:
        extracted, _ = chained.extract_stage(area, connection, ROWS, Selection(), wanted, lambda rows, size: None)
    files = chained.format_stage(area, extracted, names, wanted, lambda rows, size: None)
    if wanted.encoding != "none":
        files = chained.encode_stage(area, files, names, wanted, lambda rows, size: None)
    return {file.name: area.open(file).read() for file in files}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("split", [None, {"rows": 50_000}, {"megabytes": 1}])
@pytest.mark.parametrize("encoding", ["none", "gzip", "zip", "tar", "tgz"])
def test_the_files_are_those_of_a_chained_delivery(
    encoding: str, split: dict[str, int] | None, folder: Path, tmp_path: Path
) -> None:
    wanted = settings(encoding=encoding, split=split, split_directory_template="p")
    with SftpServer(folder) as server:
        done = stream(server, wanted)
    arrived = contents(folder / "inbox")
    assert arrived == chain(StageArea(tmp_path / "stage", "x"), wanted)
    assert [(file.name, file.bytes) for file in done.artifacts] == [(n, len(arrived[n])) for n in sorted(arrived)]
    assert sum(file.rows for file in done.artifacts) == done.rows == 120_000
