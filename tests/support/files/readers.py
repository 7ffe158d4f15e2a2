"""Other programs that read delimited text: each gets a file and its settings, and returns the rows."""

from __future__ import annotations

import csv
import io
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import psycopg
from support import postgres

from persado.settings.models.effective import Settings

Row = list[str | None]


def escape_of(given: Settings) -> str | None:
    """Return the escape character, unless it is the quote."""
    return None if given.escape_character == '"' else given.escape_character


def read_with_python(data: bytes, given: Settings, columns: int) -> list[Row]:
    escape = escape_of(given)
    rows = csv.reader(
        io.StringIO(data.decode(), newline=""),
        delimiter=given.field_delimiter,
        escapechar=escape,
        doublequote=escape is None,
        quoting=csv.QUOTE_NONE if given.quote_mode == "none" else csv.QUOTE_MINIMAL,
        strict=True,
    )
    return [list(row) if row else [""] for row in rows]  # an empty line is one empty value


def read_with_pandas(data: bytes, given: Settings, columns: int) -> list[Row]:
    escape = escape_of(given)
    frame = pd.read_csv(
        io.BytesIO(data),
        sep=given.field_delimiter,
        escapechar=escape,
        doublequote=escape is None,
        quoting=csv.QUOTE_NONE if given.quote_mode == "none" else csv.QUOTE_MINIMAL,
        header=None,
        names=range(columns),
        dtype=str,
        na_filter=False,
        skip_blank_lines=False,
        engine="c",
    )
    return [list(row) for row in frame.itertuples(index=False)]


def read_with_duckdb(data: bytes, given: Settings, columns: int, folder: Path) -> list[Row]:
    path = folder / "table.csv"
    path.write_bytes(data)
    with _duckdb().cursor() as connection:
        rows = connection.execute(
            """
            FROM read_csv($path, auto_detect = false, header = false, columns = $columns, delim = $delimiter,
              quote = '"', escape = $escape, nullstr = $null_text, allow_quoted_nulls = false, new_line = $line_ending)
            """,
            {
                "path": str(path),
                "columns": {f"c{number}": "VARCHAR" for number in range(columns)},
                "delimiter": given.field_delimiter,
                "escape": given.escape_character or '"',
                "null_text": given.null_text,
                "line_ending": {"LF": "\\n", "CRLF": "\\r\\n"}[given.line_ending],
            },
        ).fetchall()
    return [list(row) for row in rows]


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@cache
def _postgres() -> psycopg.Connection[Any]:
    return postgres.connect()


def read_with_postgres(data: bytes, given: Settings, columns: int) -> list[Row]:
    names = [f"c{number}" for number in range(columns)]
    options: dict[str, Any] = {"DELIMITER": given.field_delimiter, "NULL": given.null_text}
    if given.quote_mode == "none":
        options["FORMAT"] = "text"
    else:
        options |= {"FORMAT": "csv", "QUOTE": '"', "ESCAPE": given.escape_character or '"'}
    sql = psycopg.sql.SQL("COPY t FROM STDIN WITH ({})").format(
        psycopg.sql.SQL(", ").join(
            psycopg.sql.SQL("{} {}").format(psycopg.sql.SQL(name), value) for name, value in options.items()
        )
    )
    connection = _postgres()
    connection.execute(f"CREATE TEMPORARY TABLE t ({', '.join(f'{name} text' for name in names)})")
    try:
        with connection.cursor() as cursor:
            with cursor.copy(sql) as copy:
                copy.write(data)
            return [list(row) for row in cursor.execute("SELECT * FROM t").fetchall()]
    finally:
        connection.rollback()
