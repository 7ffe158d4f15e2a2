"""The same customers in DuckDB, PostgreSQL and SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg

COLUMNS = (
    "customer_id, hashed_email, given_name, surname, city, postal_code, birth_date, seen_at, revenue, children, "
    "complete, segment"
)

# Text with leading zeros, quotes, commas and other scripts, NULLs, dates, timestamps with and without fractions.
_CUSTOMERS = """
CREATE TABLE customers AS SELECT
    i AS n,
    lpad(i::VARCHAR, 10, '0') AS customer_id,
    md5(i::VARCHAR) AS hashed_email,
    ['Ann', 'Bob', 'Chloé', 'Dmitri', 'O''Neil', 'Peter, Jr.', 'William "Bill"', '李娜', 'Mary Ann',
        'Ольга'][1 + i % 10] AS given_name,
    ['Smith', 'Jones', 'Müller', 'García, Márquez', 'van der Berg', '王', '佐藤'][1 + i % 7] AS surname,
    ['Portland, ME', 'St. John''s', 'Québec', 'São Paulo', NULL][1 + i % 5] AS city,
    lpad((i * 7919 % 100000)::VARCHAR, 5, '0') AS postal_code,
    CASE WHEN i % 12 > 0 THEN DATE '1930-01-01' + (i * 7919 % 28000)::INTEGER END AS birth_date,
    CASE WHEN i % 8 > 0 THEN TIMESTAMPTZ '2024-01-01 00:00:00+00'
        + to_microseconds(CASE WHEN i % 2 = 0 THEN i * 31000000 ELSE i * 31000037 END % 5000000000000) END AS seen_at,
    ((i * 7919 % 10000000)::DECIMAL(14, 2) / 100)::DECIMAL(12, 2) AS revenue,
    CASE WHEN i % 4 > 0 THEN (i % 6)::INTEGER END AS children,
    CASE WHEN i % 9 > 0 THEN i % 2 = 0 END AS complete,
    'segment ' || (i % 50) AS segment
FROM range(1, {rows} + 1) AS t (i)
"""
_POSTGRES = """
CREATE TABLE customers (n bigint, customer_id text, hashed_email text, given_name text, surname text, city text,
    postal_code text, birth_date date, seen_at timestamptz, revenue numeric(12, 2), children int, complete boolean,
    segment text)
"""
_SQLITE = f"CREATE TABLE customers (n INTEGER PRIMARY KEY, {COLUMNS.replace('children', 'children INTEGER')})"
# SQLite lacks these types, so it gets the text that the other two produce.
_AS_TEXT = """
SELECT n, customer_id, hashed_email, given_name, surname, city, postal_code, birth_date::VARCHAR,
    replace(strftime(seen_at AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f'), '.000000', '') || '+00:00',
    revenue::VARCHAR, children, CASE WHEN complete THEN 'true' WHEN NOT complete THEN 'false' END, segment
FROM customers
"""


def query(rows: int, *, ordered: bool = True) -> str:
    """
    Return a query for the first rows, in order.

    :param rows: how many
    :param ordered: whether it has an ORDER BY. DuckDB keeps the insertion order without one, and would hold the whole
        result in memory to sort it; the others read along an index
    """
    return f"SELECT {COLUMNS} FROM customers WHERE n <= {rows}" + (" ORDER BY n" if ordered else "")


def make(folder: Path, server: psycopg.Connection[Any], rows: int, sqlite_rows: int) -> None:
    """
    Create the customers.

    :param folder: the folder for DuckDB's and SQLite's files
    :param server: a connection to an empty PostgreSQL database
    :param rows: how many customers
    :param sqlite_rows: how many of them go into SQLite, which is slow to fill
    """
    with closing(duckdb.connect(str(folder / "customers.duckdb"))) as source:
        source.execute("SET TimeZone = 'UTC'; SET memory_limit = '1GB'; SET threads = 2")
        source.execute(_CUSTOMERS.format(rows=rows))
        source.execute(f"COPY (FROM customers ORDER BY n) TO '{folder / 'customers.csv'}' (FORMAT csv, HEADER false)")
        server.execute(_POSTGRES)
        with (
            (folder / "customers.csv").open("rb") as text,
            server.cursor().copy("COPY customers FROM STDIN (FORMAT csv)") as copy,
        ):
            while block := text.read(1 << 20):
                copy.write(block)
        server.commit()
        server.autocommit = True
        server.execute("ALTER TABLE customers ADD PRIMARY KEY (n)")
        server.execute("VACUUM ANALYZE customers")
        (folder / "customers.csv").unlink()
        with closing(sqlite3.connect(folder / "customers.sqlite")) as target, target:
            target.execute(_SQLITE)
            found = source.execute(f"{_AS_TEXT} WHERE n <= {sqlite_rows} ORDER BY n")
            placeholders = ", ".join("?" * 13)
            target.executemany(f"INSERT INTO customers VALUES ({placeholders})", _rows(found))


def _rows(result: Any) -> Iterator[tuple[Any, ...]]:
    while rows := result.fetchmany(10_000):
        yield from rows
