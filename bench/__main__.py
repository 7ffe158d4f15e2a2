"""
Run the benchmark: ``python -m bench``, or ``make bench``.

=========  ============================================================================================
variable   meaning
=========  ============================================================================================
``ROWS``   rows of a delivery, 2,000,000 by default; the section ``growth`` has up to four times as many
``RUNS``   how often each contender runs; 5 by default
``ONLY``   words, separated by commas: run only contenders whose section or name contains one of them;
           earlier results of the others, for the same number of rows, stay
``RESUME`` if set, count the runs of an earlier benchmark, and do only those that are missing
``OUT``    the folder for the results; ``.bench`` by default
``DOCS``   if set, write ``docs/performance.md`` from the results
=========  ============================================================================================

Each run is saved as soon as it ends, and the results are printed however the benchmark ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "plugins")]  # it uses the servers of the tests

from support import postgres  # noqa: E402 - needs the line above
from support.sites.sshd import Sshd  # noqa: E402

from bench import data, report  # noqa: E402
from bench.contenders import Contender, Place, contenders, make_key  # noqa: E402
from bench.measure import measured  # noqa: E402

ROUND_TRIP = 0.030


def main() -> None:
    """Measure; print and save the results."""
    rows, runs = int(os.environ.get("ROWS") or 2_000_000), int(os.environ.get("RUNS") or 5)
    words = [word for word in os.environ.get("ONLY", "").split(",") if word]
    out = Path(os.environ.get("OUT") or ROOT / ".bench")
    out.mkdir(exist_ok=True)
    results = report.Results.read(out / "results.json", rows)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    try:
        with _place() as place:
            chosen = [
                c for c in contenders(place, rows) if not words or any(w in f"{c.section}: {c.name}" for w in words)
            ]
            if not os.environ.get("RESUME"):
                for contender in chosen:
                    results.discard(contender.section, contender.name, contender.rows)
            _make_data(place, rows, chosen)
            for number in range(1, runs + 1):
                for contender in chosen:
                    if results.runs(contender.section, contender.name, contender.rows) < number:
                        _run(contender, place, results, f"run {number} of {runs}")
                        results.write(out / "results.json")
    finally:
        print(report.text(results))
        (out / "delivery.svg").write_text(report.chart(results))
        if os.environ.get("DOCS") and results.measured:
            report.publish(results, ROOT / "docs")


def _make_data(place: Place, rows: int, chosen: list[Contender]) -> None:
    most = max(contender.rows for contender in chosen)
    from_sqlite = max((c.rows for c in chosen if "sqlite" in c.name or c.section == "DB-API"), default=rows)
    print(f"making the data: {most:,} rows", flush=True)
    with postgres.connect() as server:
        data.make(place.folder, server, most, from_sqlite)
    place.sent.write_bytes(os.urandom(max(rows * 48, 100_000)))  # as large and as incompressible as a delivery


def _run(contender: Contender, place: Place, results: report.Results, label: str) -> None:
    shutil.rmtree(place.inbox, ignore_errors=True)
    place.inbox.mkdir()
    run = measured(contender.command, place.environment)
    print(f"{label}: {contender.section}: {contender.name}, {contender.rows:,} rows: {run.seconds:.2f} s", flush=True)
    results.add(contender.section, contender.name, contender.rows, run)
    _check(contender, place, run.told.get("rows", contender.rows))


def _check(contender: Contender, place: Place, rows: int) -> None:
    """Check that everything arrived."""
    arrived = sorted(place.inbox.iterdir())
    if rows != contender.rows or (contender.section not in {"DB-API", "limit"} and len(arrived) != 1):
        raise RuntimeError(f"{contender.name}: {rows} rows, {[path.name for path in arrived]}")
    if contender.rows <= 100_000 and contender.section in {"delivery", "growth"}:
        decrypt = ["gpg", "--homedir", str(place.gpg_home), "--batch", "--quiet", "--decrypt", str(arrived[0])]
        packed = subprocess.run(decrypt, check=True, capture_output=True).stdout
        lines = subprocess.run(["gzip", "-dc"], input=packed, check=True, capture_output=True).stdout.count(b"\n")
        if lines != rows + 1:
            raise RuntimeError(f"{contender.name}: {lines} lines for {rows} rows")


@contextmanager
def _place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="persado-bench-") as name:
        folder = Path(name)
        with Sshd(folder, folder / "sshd") as sshd:
            recipient = make_key(folder / "gpg")
            line = subprocess.Popen(
                [sys.executable, "-m", "bench.long_line", str(sshd.port), str(ROUND_TRIP)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                port = int(line.stdout.readline()) if line.stdout else 0
                yield Place(folder, sshd, folder / "gpg", recipient, port)
            finally:
                line.kill()
                line.communicate()
                subprocess.run(["gpgconf", "--homedir", folder / "gpg", "--kill", "all"], check=False)


if __name__ == "__main__":
    main()
