"""Connections to the databases; what a test creates there is removed after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import duckdb
import psycopg
import pytest
from support import postgres
from support.warehouses import WAREHOUSES


@pytest.fixture
def pg() -> Iterator[psycopg.Connection[Any]]:
    with postgres.connect() as connection:
        yield connection
        if not connection.closed:
            connection.rollback()  # removes the types that a test created


@pytest.fixture
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture(params=WAREHOUSES)
def warehouse(request: pytest.FixtureRequest) -> Iterator[Any]:
    with closing(WAREHOUSES[request.param]()) as connection:
        yield connection


@pytest.fixture(scope="module")
def pg_with_unusual_settings() -> Iterator[psycopg.Connection[Any]]:
    """Return a connection with settings that would change the text of values, and with a table and types for tests."""
    with postgres.connect() as connection:
        connection.execute("""
            SET TimeZone = 'America/New_York'; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'postgres_verbose';
            SET extra_float_digits = 0; SET bytea_output = 'escape'; SET client_encoding = 'LATIN1';
            SET standard_conforming_strings = off
        """)
        connection.execute("""
            CREATE TYPE pg_temp.mood AS ENUM ('happy', 'so, so');
            CREATE DOMAIN pg_temp.percent AS numeric(5,2);
            CREATE TEMPORARY TABLE given
              (t text, v varchar, i int, n numeric, f float8, r real, d date, s timestamp, z timestamptz, b bool)
        """)
        connection.commit()
        yield connection
