"""The examples of CONTRIBUTING.md for fault tests work as they stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support.airflow.worker import Worker, spawner
from support.bench import Bench, bench, staged
from support.expect import nothing_left_behind, short_pauses
from support.paths import REPO
from support.sites.proxy import GOOD, Line, Proxy, always, once
from support.sites.sending import folder
from support.sites.sftp_server import SftpServer

__all__ = ["bench", "folder", "nothing_left_behind", "short_pauses", "spawner", "staged"]

pytestmark = pytest.mark.usefixtures("spawner", "nothing_left_behind", "short_pauses")

# The page says that test_cuts.py and test_kills.py have these imports.
IMPORTED = {
    kind.__name__: kind for kind in (Bench, Line, Proxy, SftpServer, Worker, always, once)
} | {"GOOD": GOOD}  # fmt: skip


def example(name: str) -> Any:
    """Return the test function that the page shows."""
    blocks = re.findall(r"^```python\n(.*?)^```", (REPO / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL)
    (code,) = [block for block in blocks if f"def {name}(" in block]
    names: dict[str, Any] = dict(IMPORTED)
    exec(compile(code, "CONTRIBUTING.md", "exec"), names)
    return names[name]


def test_site_that_misbehaves(folder: Path) -> None:
    example("test_upload_reports_missing_write_permission")(folder)


@pytest.mark.parametrize(
    "name", ["test_upload_resumes_after_a_cut_connection", "test_next_try_delivers_after_a_killed_worker"]
)
def test_line_that_breaks_and_worker_that_is_killed(name: str, bench: Bench) -> None:
    example(name)(bench)
