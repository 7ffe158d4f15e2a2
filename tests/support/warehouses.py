"""Functions that connect to the databases that tests read from."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import adbc_driver_postgresql.dbapi
import duckdb
import psycopg2

from support import postgres

Connect = Callable[[], Any]
WAREHOUSES: dict[str, Connect] = {
    "postgres": postgres.connect,
    "duckdb": duckdb.connect,
    "sqlite": lambda: sqlite3.connect(":memory:"),
}
CONNECT = WAREHOUSES | {
    "psycopg2": lambda: psycopg2.connect(host=postgres.host(), user=postgres.USER, dbname="postgres"),
    "adbc": lambda: adbc_driver_postgresql.dbapi.connect(postgres.uri()),
}
