"""
Measure deliveries: this project against a shell pipeline and against what an Airflow user writes first.

``make bench`` runs it; ``docs/performance.md`` shows a run. Every contender is a process of its own, runs in turn with
the others, and delivers the same rows, gzipped and encrypted to the same key, to the same sshd on this machine.
"""

SITE = "BENCH_SITE_FIELDS"
"""The environment variable with the fields of the Site."""

DUCKDB_MEMORY = "128MB"
"""DuckDB's ``memory_limit``."""
