"""Streamed deliveries produce the same files as chained ones."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from support.expect import nothing_left_behind  # noqa: F401 - a fixture
from support.sites.folder import contents
from support.sites.sftp_server import SftpServer
from support.streaming import ROWS, VALUES, settings, stream

from persado.pipeline import chained
from persado.pipeline.names import Names
from persado.pipeline.recipe import Recipe
from persado.pipeline.rows.row_spec import RowSpec
from persado.pipeline.stage.area import StageArea
from persado.settings.models.effective import Settings

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site" / "inbox").mkdir(parents=True)
    return tmp_path / "site"


def chain(area: StageArea, wanted: Settings) -> dict[str, bytes]:
    """Return the same files, produced stage by stage."""
    names = Names(wanted, VALUES)
    with closing(duckdb.connect()) as connection:
        extracted, _ = chained.extract_stage(area, connection, ROWS, RowSpec(), wanted, lambda rows, size: None)
    files = chained.format_stage(area, extracted, Recipe(names), lambda rows, size: None)
    if wanted.encoding != "none":
        files = chained.encode_stage(area, files, Recipe(names), lambda rows, size: None)
    return {file.name: area.open(file).read() for file in files}


@pytest.mark.parametrize("split", [None, {"rows": 50_000}, {"megabytes": 1}])
@pytest.mark.parametrize("encoding", ["none", "gzip", "zip", "tar", "tgz"])
def test_the_files_equal_those_of_a_chained_delivery(
    encoding: str, split: dict[str, int] | None, folder: Path, tmp_path: Path
) -> None:
    wanted = settings(encoding=encoding, split=split, split_directory_template="p")
    with SftpServer(folder) as server:
        done = stream(server, wanted)
    arrived = contents(folder / "inbox")
    assert arrived == chain(StageArea(tmp_path / "stage", "x"), wanted)
    assert [(file.name, file.bytes) for file in done.artifacts] == [(n, len(arrived[n])) for n in sorted(arrived)]
    assert sum(file.rows for file in done.artifacts) == done.rows == 120_000
