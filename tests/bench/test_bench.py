"""The benchmark runs, and the documentation shows its results."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from support.paths import REPO

from bench import report


def test_every_contender_delivers_in_a_small_run(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "ROWS": "2000",
        "RUNS": "1",
        "OUT": str(tmp_path),
        "ONLY": "delivery,limit,line,DB-API",
        "DOCS": "",
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench"], cwd=REPO, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    results = report.Results.parse((tmp_path / "results.json").read_text())
    assert {m.name: m.told.get("read_by") for m in results.measured if m.section == "delivery"} == {
        "shell, gzip -6": None,
        "shell, igzip": None,
        "ordinary pandas chain": None,
        "streamed, postgres": "postgres-copy",
        "chained, postgres": "postgres-copy",
        "streamed, duckdb": "duckdb-arrow",
        "chained, duckdb": "duckdb-arrow",
        "streamed, sqlite": "dbapi",
        "chained, sqlite": "dbapi",
    }
    assert all(m.seconds[0] > 0 and m.peak[0] > 1_000_000 for m in results.measured)
    assert "chained / streamed, PostgreSQL" in done.stdout
    assert ElementTree.parse(tmp_path / "delivery.svg").getroot().tag.endswith("svg")
    assert results.machine in report.page(results)
    again = subprocess.run(
        [sys.executable, "-m", "bench"],
        cwd=REPO,
        env={**environment, "RESUME": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "making the data" in again.stdout
    assert "run 1 of 1" not in again.stdout


def test_performance_page_matches_the_stored_results() -> None:
    results = report.Results.parse((REPO / "docs" / "performance.json").read_text())
    assert (REPO / "docs" / "performance.md").read_text() == report.page(results)
    assert (REPO / "docs" / "performance.svg").read_text() == report.chart(results)
