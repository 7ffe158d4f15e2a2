"""A streamed delivery needs no more memory for more rows, and PostgreSQL formats them itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import postgres
from support.airflow_runs import gpg, pgp_home
from support.sshd import Sshd

__all__ = ["pgp_home"]

QUERY = """
SELECT i AS id, md5(i::text) AS "Hashed_Email", 'It''s "' || repeat(md5((-i)::text), 2) || '", they say' AS remark,
       i % 3 = 0 AS loyal, timestamp '2026-11-24' + i * interval '1 second' AS seen FROM generate_series(1, {rows}) i
"""
"""Over 140 bytes a row."""

DELIVER = """
import json, sys
from pathlib import Path

import psycopg
from support.streaming import settings, stream

from persado.pipeline.pgp_keys import read_public_key
from persado.pipeline.site import Site


class Server:
    def site(self):
        return Site(**given["site"])

    def remote(self, path):
        return given["folder"] + "/" + path


def peak(process):
    # Its own: what a process has used counts for the one that started it too.
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(lines.get("VmHWM", "0 kB").split()[0])


def look(rows, size):
    for child in Path("/proc/self/task").glob("*/children"):
        for process in child.read_text().split():
            peaks[process] = peak(process)


given, peaks = json.load(sys.stdin), {}
key = read_public_key(given["key"].encode(), fingerprint=None, name="receiver")
with psycopg.connect(**given["postgres"]) as connection:
    done = stream(Server(), settings(encoding="gzip"), given["sql"], connection=connection, key=key, on_progress=look)
print(json.dumps({
    "peak": peak("self") + sum(peaks.values()), "children": len(peaks), "rows": done.rows, "read_by": done.read_by
}))
"""


@pytest.fixture
def site(tmp_path: Path) -> Any:
    (tmp_path / "site" / "inbox").mkdir(parents=True)
    with Sshd(tmp_path / "site", tmp_path / "sshd") as server:
        yield server


def deliver(site: Sshd, key: bytes, rows: int) -> dict[str, Any]:
    """Deliver so many rows in a process of their own; give what it says."""
    given = {
        "site": {name: value for name, value in vars(site.site()).items() if value is not None},
        "folder": str(site.folder),
        "key": key.decode(),
        "postgres": {"host": postgres.host(), "user": postgres.USER, "dbname": "postgres"},
        "sql": QUERY.format(rows=rows),
    }
    done = subprocess.run(
        [sys.executable, "-c", DELIVER],
        input=json.dumps(given).encode(),
        capture_output=True,
        cwd=Path(__file__).parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return dict(json.loads(done.stdout))


def test_memory_is_flat_between_200_000_and_800_000_rows(site: Sshd, pgp_home: Path) -> None:
    key = gpg(pgp_home, "--armor", "--export")
    few, many = (deliver(site, key, rows) for rows in (200_000, 800_000))
    assert (few["rows"], many["rows"]) == (200_000, 800_000)
    assert few["read_by"] == many["read_by"] == "postgres-copy"
    assert few["children"] == many["children"] > 0
    # In kB; the rows that many has more are 85,000 kB of text.
    assert many["peak"] < few["peak"] + 12_000
    assert many["peak"] < 250_000
