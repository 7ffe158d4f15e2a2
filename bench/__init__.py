"""
Measure deliveries: this project against a shell pipeline and a typical chain of Airflow hooks and pandas.

``make bench`` runs it; ``docs/performance.md`` shows the results. Each contender is a separate process and runs in turn
with the others. All deliver the same rows, gzipped and encrypted to the same key, to the same sshd on this machine.
"""

SITE = "BENCH_SITE_FIELDS"
"""The environment variable with the fields of the Site."""

DUCKDB_MEMORY = "128MB"
"""DuckDB's ``memory_limit``."""
