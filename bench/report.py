"""The results of the benchmark: as JSON, as text, as a chart, and as a page of the documentation."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bench import DUCKDB_MEMORY
from bench.measure import Run

_MEGABYTE = 1_000_000


@dataclass
class Measured:
    """The results of one contender's runs."""

    section: str
    name: str
    rows: int
    seconds: list[float] = field(default_factory=list)
    startup: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """The median of the seconds."""
        return statistics.median(self.seconds)

    @property
    def peak_megabytes(self) -> float:
        """The peak memory of all runs."""
        return max(self.peak) / _MEGABYTE


@dataclass
class Results:
    """The results so far, for one number of rows on one machine."""

    rows: int
    machine: str
    measured: list[Measured] = field(default_factory=list)
    finished: str = ""

    @classmethod
    def read(cls, path: Path, rows: int) -> Results:
        """Read earlier results; they are ignored if number of rows or machine differ."""
        new = cls(rows, _machine())
        if not path.exists():
            return new
        old = cls.parse(path.read_text())
        return old if (old.rows, old.machine) == (new.rows, new.machine) else new

    @classmethod
    def parse(cls, text: str) -> Results:
        """Read results from JSON."""
        fields = json.loads(text)
        return cls(**{**fields, "measured": [Measured(**each) for each in fields["measured"]]})

    def write(self, path: Path) -> None:
        """Save the results."""
        self.finished = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        path.write_text(json.dumps(self, default=vars, indent=1) + "\n")

    def find(self, section: str, name: str, rows: int | None = None) -> Measured | None:
        """Return the results of a contender; None if it has not run."""
        rows = self.rows if rows is None else rows
        return next((m for m in self.measured if (m.section, m.name, m.rows) == (section, name, rows)), None)

    def runs(self, section: str, name: str, rows: int) -> int:
        """Return how often a contender has run."""
        known = self.find(section, name, rows)
        return len(known.seconds) if known else 0

    def discard(self, section: str, name: str, rows: int) -> None:
        """Discard the results of a contender."""
        self.measured = [m for m in self.measured if (m.section, m.name, m.rows) != (section, name, rows)]

    def add(self, section: str, name: str, rows: int, run: Run) -> None:
        """Add a run of a contender."""
        known = self.find(section, name, rows)
        if known is None:
            known = Measured(section, name, rows)
            self.measured.append(known)
        known.seconds.append(round(run.seconds, 3))
        known.startup.append(round(run.startup, 3))
        known.peak.append(run.peak)
        known.told = dict(run.told)


@dataclass(frozen=True)
class Target:
    """A ratio of medians or a peak memory, and its bound."""

    what: str
    how: Literal["≤", "≥", "<"]
    bound: float
    value: Callable[[Results], float | None]

    def holds(self, value: float) -> bool:
        """Return whether a value is within the bound."""
        return value >= self.bound if self.how == "≥" else value < self.bound or (self.how, value) == ("≤", self.bound)


def _ratio(above: tuple[Any, ...], below: tuple[Any, ...]) -> Callable[[Results], float | None]:
    def value(results: Results) -> float | None:
        one, other = results.find(*_at(results, above)), results.find(*_at(results, below))
        return one.median / other.median if one and other else None

    return value


def _at(results: Results, key: tuple[Any, ...]) -> tuple[str, str, int]:
    section, name, *times = key
    return section, name, results.rows * (times[0] if times else 1)


def _peak(key: tuple[Any, ...]) -> Callable[[Results], float | None]:
    def value(results: Results) -> float | None:
        found = results.find(*_at(results, key))
        return found.peak_megabytes if found else None

    return value


_PG, _DUCK, _LITE = (("delivery", f"streamed, {source}") for source in ("postgres", "duckdb", "sqlite"))
_CHAINED_PG, _CHAINED_DUCK, _CHAINED_LITE = (
    ("delivery", f"chained, {source}") for source in ("postgres", "duckdb", "sqlite")
)
_PG_4, _DUCK_4, _LITE_4 = (("growth", f"streamed, {source}", 4) for source in ("postgres", "duckdb", "sqlite"))
_GZIP, _IGZIP = ("delivery", "shell, gzip -6"), ("delivery", "shell, igzip")
_PANDAS = ("delivery", "ordinary pandas chain")
_DBAPI, _CSV = ("DB-API", "DB-API path, sqlite"), ("DB-API", "csv.writer, same cursor")
_UPLOAD, _SFTP = ("30 ms line", "upload"), ("30 ms line", "sftp")
TARGETS = (
    Target("streamed from PostgreSQL / shell with igzip", "≤", 1.15, _ratio(_PG, _IGZIP)),
    Target("shell with gzip -6 / streamed from PostgreSQL", "≥", 4, _ratio(_GZIP, _PG)),
    Target("ordinary pandas chain / streamed", "≥", 12, _ratio(_PANDAS, _PG)),
    Target("streamed from PostgreSQL, four times the rows / once", "≤", 4.2, _ratio(_PG_4, _PG)),
    Target("streamed from PostgreSQL, peak MB", "<", 250, _peak(_PG)),
    Target("streamed from PostgreSQL, four times the rows, peak MB", "<", 250, _peak(_PG_4)),
    Target("streamed from SQLite, peak MB", "<", 250, _peak(_LITE)),
    Target("streamed from SQLite, four times the rows, peak MB", "<", 250, _peak(_LITE_4)),
    Target("streamed from DuckDB, peak MB", "<", 600, _peak(_DUCK)),
    Target("streamed from DuckDB, four times the rows, peak MB", "<", 600, _peak(_DUCK_4)),
    Target("chained / streamed, PostgreSQL", "≤", 2, _ratio(_CHAINED_PG, _PG)),
    Target("chained / streamed, DuckDB", "≤", 2, _ratio(_CHAINED_DUCK, _DUCK)),
    Target("chained / streamed, SQLite", "≤", 2, _ratio(_CHAINED_LITE, _LITE)),
    Target("DB-API path (SQLite) / csv.writer over the same cursor", "≤", 1.3, _ratio(_DBAPI, _CSV)),
    Target("upload alone over the 30 ms line / OpenSSH's sftp", "≤", 1.1, _ratio(_UPLOAD, _SFTP)),
)


def text(results: Results) -> str:
    """Return the results as text tables."""
    return "\n\n".join("\n".join(_table(head, rows)) for head, rows in (_measured(results), _targets(results)))


def publish(results: Results, folder: Path) -> None:
    """Write ``performance.md``, its chart, and the results that both are made from, as JSON."""
    (folder / "performance.json").write_text(json.dumps(results, default=vars, indent=1) + "\n")
    (folder / "performance.svg").write_text(chart(results))
    (folder / "performance.md").write_text(page(results))


def page(results: Results) -> str:
    """Return the page of the documentation."""
    chained = results.find("delivery", "chained, postgres")
    by_stage = chained.told.get("stages", {}) if chained else {}
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in by_stage.items())
    return _PAGE.format(
        rows=f"{results.rows:,}",
        memory=DUCKDB_MEMORY,
        command=f"DOCS=1 ROWS={results.rows} RUNS={max(len(m.seconds) for m in results.measured)} make bench",
        machine=results.machine,
        finished=results.finished,
        measured="\n".join(_table(*_measured(results))),
        targets="\n".join(_table(*_targets(results))),
        stages=f"\nThe stages of the last chained delivery from PostgreSQL: {stages}.\n" if stages else "",
    )


_PAGE = """# Performance

<!-- Written by the benchmark: DOCS=1 make bench -->

`make bench` measures whole deliveries: a query's rows as CSV, gzipped, encrypted and uploaded to an SFTP server, here
{rows} rows of 12 columns. It generates its data, starts its own PostgreSQL and sshd, and runs the contenders in turn.
`ROWS`, `RUNS` and `ONLY` choose what runs; `DOCS=1` writes this page.

Machine: {machine}. Measured {finished} with `{command}`. The seconds are those of this machine; compare the ratios.

![Seconds of a delivery](performance.svg)

## What was measured

{measured}

| column or row | meaning |
|---|---|
| `seconds` | median of the runs; `fastest - slowest` is their range |
| `start` | time to start Python and import modules, not part of `seconds`; in Airflow it belongs to a task's start |
| `peak MB` | peak memory of all processes of a contender, without the database server and sshd |
| `rows read by` | how the rows were read, [as in the receipt](operating.md#what-makes-a-delivery-fast) |
| `psql, to nowhere` | PostgreSQL's own part: no delivery from PostgreSQL can be faster |

DuckDB runs with `memory_limit` = {memory}, which an Airflow connection's extra can set. Without it, DuckDB keeps in
memory what it has read from its file.

## Targets

{targets}
{stages}"""


def chart(results: Results) -> str:
    """Draw the seconds of the deliveries as bars."""
    bars = sorted((m for m in results.measured if m.section == "delivery"), key=lambda m: m.median)
    longest = max((m.median for m in bars), default=1)
    lines = []
    for number, bar in enumerate(bars):
        y, width = 20 + 26 * number, 420 * bar.median / longest
        fill = "#b6bcc4" if bar.name.startswith(("shell", "ordinary")) else "#2f6fb0"
        lines += [
            f'<text x="190" y="{y + 13}" text-anchor="end">{bar.name}</text>',
            f'<rect x="200" y="{y}" width="{width:.1f}" height="18" fill="{fill}"/>',
            f'<text x="{206 + width:.1f}" y="{y + 13}">{bar.median:.1f} s</text>',
        ]
    height = 30 + 26 * len(bars)
    body = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 {height}" font-family="sans-serif" font-size="12">\n'
        f"<title>Seconds of a delivery of {results.rows:,} rows</title>\n"
        f'<rect width="700" height="{height}" fill="white"/>\n{body}\n</svg>\n'
    )


def _measured(results: Results) -> tuple[list[str], list[list[str]]]:
    head = ["", "contender", "rows", "seconds", "fastest - slowest", "start", "peak MB", "rows read by"]
    order = {"delivery": 0, "limit": 1, "growth": 2, "30 ms line": 3, "DB-API": 4}
    return head, [
        [
            m.section,
            m.name,
            f"{m.rows:,}",
            f"{m.median:.2f}",
            f"{min(m.seconds):.2f} - {max(m.seconds):.2f}",
            f"{statistics.median(m.startup):.1f}",
            f"{m.peak_megabytes:.0f}",
            m.told.get("read_by", ""),
        ]
        for m in sorted(results.measured, key=lambda m: (order[m.section], m.rows))
    ]


def _targets(results: Results) -> tuple[list[str], list[list[str]]]:
    return ["measure", "target", "reached", ""], list(_target_rows(results))


def _target_rows(results: Results) -> Iterator[list[str]]:
    for target in TARGETS:
        value = target.value(results)
        if value is not None:
            shown = f"{value:.0f}" if target.what.endswith("MB") else f"{value:.2f}"
            yield [target.what, f"{target.how} {target.bound:g}", shown, "" if target.holds(value) else "missed"]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return ["| " + " | ".join(map(str.ljust, line, widths)).rstrip() + " |" for line in lines]


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = models[0] if models else platform.machine()
    return (
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"
    )
