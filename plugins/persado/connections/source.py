"""Open the warehouse: any Airflow connection whose hook returns a DB-API connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException

from persado.errors import ConfigurationError
from persado.pipeline.extract.query_errors import database_errors


@contextmanager
def open_source(conn_id: str) -> Iterator[Any]:
    """
    Yield a DB-API connection; close it at the end.

    :raises ConfigurationError: if the Airflow connection does not exist, or is not a database connection
    :raises TransientError: if the database is unreachable
    """
    problem = None
    try:
        hook = BaseHook.get_connection(conn_id).get_hook()  # type: ignore[no-untyped-call]
    except AirflowException as error:
        problem = f"source {conn_id!r}: {error}"
    if problem is None and not hasattr(hook, "get_conn"):
        problem = f"source {conn_id!r}: expected a database connection, got one of type {hook.conn_type!r}"
    if problem is not None:
        raise ConfigurationError(problem)
    doing = f"cannot connect to {conn_id!r}"
    with database_errors(doing):
        connection = _read_only_duckdb(hook, doing) or hook.get_conn()
    with closing(connection):
        yield connection


def _read_only_duckdb(hook: Any, doing: str) -> Any:
    """Open a DuckDB file read-only: opened for writing, it would block all other deliveries."""
    if hook.conn_type != "duckdb" or not hook.is_local or hook.is_motherduck:
        return None
    import duckdb

    connection = hook.get_connection(hook.get_conn_id())
    config = connection.extra_dejson.get("config", {})
    if not isinstance(config, dict):
        raise ConfigurationError(
            f"{doing}: config in the connection's extra: expected a dictionary of DuckDB settings, such as "
            f'{{"config": {{"memory_limit": "2GB"}}}}, got {type(config).__name__}'
        )
    try:
        return duckdb.connect(connection.host, read_only=True, config=config)
    except duckdb.InvalidInputException as error:
        # No query has run yet, so the text cannot quote a customer's value.
        raise ConfigurationError(f"{doing}: config in the connection's extra: {error}") from None
