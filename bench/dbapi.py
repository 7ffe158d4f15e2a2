"""Contenders: rows of SQLite as text, by this project's reader for any DB-API driver, and by csv.writer alone."""

from __future__ import annotations

import csv
import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

from persado.pipeline.extract.engines import formatted_text
from persado.pipeline.rows.row_spec import RowSpec
from persado.settings.models.effective import Settings


def main(how: str, database: str, sql: str, target: str) -> None:
    """Write the text to a file and print how long it took."""
    with closing(sqlite3.connect(database)) as connection:
        begin = time.perf_counter()
        rows = _by_csv_writer(connection, sql, target) if how == "csv" else _by_project(connection, sql, target)
        print(json.dumps({"seconds": time.perf_counter() - begin, "rows": rows}))


def _by_csv_writer(connection: sqlite3.Connection, sql: str, target: str) -> int:
    rows = 0
    with Path(target).open("w", newline="", encoding="utf-8") as file:
        cursor = connection.execute(sql)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(entry[0] for entry in cursor.description)
        while block := cursor.fetchmany(10_000):
            writer.writerows(block)
            rows += len(block)
    return rows


def _by_project(connection: sqlite3.Connection, sql: str, target: str) -> int:
    settings = Settings.model_validate({"filename_template": "customers.csv"})
    rows = 0
    with Path(target).open("wb") as file, formatted_text(connection, sql, RowSpec(), settings) as text:
        for _, count, block in text.blocks:
            file.write(block)
            rows += count
    return rows


if __name__ == "__main__":
    main(*sys.argv[1:])
