"""A streamed delivery needs no more memory for more rows, and reads each source in the fastest way."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from support import postgres
from support.sites.sshd import Sshd

from bench import SITE
from bench.contenders import ROOT, make_key
from bench.measure import measured

SERIES = "FROM generate_series(1, {rows}) AS t(i)"
VALUES = "SELECT i AS a, 'row ' || i AS b, 'a, b and the rest of a text of some length' AS c, NULL AS d"
SOURCES = {
    "postgres": (f"{VALUES} {SERIES}", "postgres-copy"),
    "duckdb": (f"{VALUES} {SERIES}", "duckdb-arrow"),
    "sqlite": (
        f"WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < {{rows}}) {VALUES} FROM t",
        "dbapi",
    ),
}


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with Sshd(tmp_path, tmp_path / "sshd") as server:
        yield server


@pytest.fixture
def public_key(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "gpg"
    make_key(home)
    yield home / "receiver.asc"
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


@pytest.mark.parametrize("source", SOURCES)
def test_memory_is_constant_and_the_fastest_path_is_used(
    source: str,
    sshd: Sshd,
    public_key: Path,
    tmp_path: Path,
) -> None:
    sql, path = SOURCES[source]
    peaks = []
    for rows in (200_000, 800_000):
        job = {
            "how": "streamed",
            "source": source,
            "database": {"postgres": f"host={postgres.host()} user={postgres.USER} dbname=postgres"}.get(
                source, ":memory:"
            ),
            "sql": sql.format(rows=rows),
            "inbox": str(tmp_path),
            "key": str(public_key),
            "stage": str(tmp_path / "stage"),
        }
        site = json.dumps(asdict(sshd.site(login=getpass.getuser())))
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}", SITE: site}
        run = measured([sys.executable, "-m", "bench.project", json.dumps(job)], environment)
        assert (run.told["rows"], run.told["read_by"]) == (rows, path)
        peaks.append(run.peak / 1_000_000)
    few, many = peaks
    assert many < few + 40, "megabytes"
    assert many < 250
    assert not (tmp_path / "stage").exists()
