"""
Translate a database's errors into the package's own.

A database's message is passed on only if it is about the query (syntax, names, permissions) or the server's state. Any
other message may quote a customer's value ("invalid input syntax for type integer: ...").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

from persado.errors import ConfigurationError, PersadoError, TransientError

Phase = Literal["connect", "prepare", "run"]
"""When an error was raised. Before the query runs, no message can contain a customer's value."""

T = TypeVar("T")

# DuckDB's messages begin with the kind of the error.
_DUCKDB_ABOUT_THE_QUERY = {"Parser Error", "Binder Error", "Catalog Error", "Syntax Error", "Not implemented Error"}
_DUCKDB_TRANSIENT = {"HTTP Error", "Connection Error", "Out of Memory Error", "Interrupt Error"}
_LOCKED = ("database is locked", "database table is locked", "database schema is locked", "could not set lock")
_READ_ONLY = "attempt to write a readonly database"

# SQLSTATE classes: lost connection, conflict with another transaction, out of resources, operator intervention, system
# error; and one SQLSTATE: lock not available.
_TRANSIENT_STATES = ("08", "40", "53", "57", "58", "55P03")
_STATEMENT_TIMEOUT = "57014"
_SYNTAX_ERROR = "42601"
_BAD_ENCODING = "22021"
# SQLSTATE classes: not supported, transaction state, authorization, no such database or schema, syntax and names.
_STATES_ABOUT_THE_QUERY = ("0A", "25", "28", "3D", "3F", "42")

# libpq's messages have no SQLSTATE. These are not worth a retry.
_REFUSED = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied", "not permitted")


@contextmanager
def database_errors(doing: str) -> Iterator[None]:
    """
    Translate the errors that a DB-API driver raises while it connects.

    :param doing: the start of the message, such as "cannot connect to 'warehouse'"
    :raises ConfigurationError: if the connection's settings are wrong
    :raises TransientError: if the database is unreachable or busy
    """
    try:
        yield
    except PersadoError:
        raise
    except Exception as error:
        problem = _translated(error, "connect", doing)
        if problem is None:
            raise
        raise problem from None


def translating(call: Callable[[], T], phase: Phase) -> T:
    """
    Call a DB-API driver and translate its errors.

    :raises ConfigurationError: if the query or the data is wrong
    :raises TransientError: if the connection is lost, or the database is busy
    """
    try:
        return call()
    except PersadoError:
        raise
    except Exception as error:
        problem = _translated(error, phase, "the query failed")
        if problem is None:
            raise
    raise problem  # outside the except clause: its __context__ would hold the database's message


def _translated(error: Exception, phase: Phase, doing: str) -> PersadoError | None:
    driver = type(error).__module__.partition(".")[0].lstrip("_")
    message = " ".join(str(error).split())
    if driver in {"duckdb", "pyarrow"} or (isinstance(error, OSError) and _duckdb_kind(message)):
        # The quoted line may contain a customer's value, because Airflow has rendered the query.
        message = re.sub(r" LINE (\d+): .*", r" (line \1)", message)
        transient, readable = _classify_duckdb(message, phase)
    elif driver == "sqlite3":
        transient, readable = _classify_sqlite(message, phase)
        if column := re.match(r"Could not decode to UTF-8 column '(.*?)' with text '", message):
            return ConfigurationError(
                f"{doing}: a text in column {column[1]!r} is not valid UTF-8; fix the source or the query"
            )
    elif isinstance(error, UnicodeDecodeError) or _state(error) == _BAD_ENCODING:
        return ConfigurationError(f"{doing}: a text is not valid UTF-8; fix the source or the query")
    elif _is_dbapi_error(error):
        message = _without_detail(error) or message
        transient, readable = _classify_others(error, message, phase)
        if _state(error) == _SYNTAX_ERROR:
            message += "; expected one SELECT statement"
    else:
        return None
    if not readable:
        state = _state(error)
        kind = f"SQLSTATE {state}" if state else _duckdb_kind(message) or type(error).__name__
        message = (
            f"{kind}. The database's message is withheld because it may quote a customer's value; run the query in the "
            "warehouse's client to see it"
        )
    return (TransientError if transient else ConfigurationError)(f"{doing}: {message}")


def _is_dbapi_error(error: Exception) -> bool:
    return bool({"Error", "DatabaseError"} & {kind.__name__ for kind in type(error).__mro__})


def _state(error: Exception) -> str | None:
    found = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)  # psycopg2's name for it
    return found if isinstance(found, str) else None


def _duckdb_kind(message: str) -> str | None:
    found = re.match(r"[A-Z]\w*(?: \w+)* Error(?=: )", message)
    return found[0] if found else None


def _classify_duckdb(message: str, phase: Phase) -> tuple[bool, bool]:
    kind = _duckdb_kind(message)
    locked = any(words in message.lower() for words in _LOCKED)
    transient = locked or kind in _DUCKDB_TRANSIENT or (kind == "IO Error" and phase == "run")
    readable = kind == "Out of Memory Error" or (
        phase != "run" and (transient or kind in {*_DUCKDB_ABOUT_THE_QUERY, "IO Error"})
    )
    return transient, readable


def _classify_sqlite(message: str, phase: Phase) -> tuple[bool, bool]:
    locked = any(words in message for words in _LOCKED)
    return locked, locked or phase != "run" or message == _READ_ONLY


def _classify_others(error: Exception, message: str, phase: Phase) -> tuple[bool, bool]:
    state = _state(error)
    if state:
        transient_state = state.startswith(_TRANSIENT_STATES)
        about_the_query = phase != "run" and state.startswith(_STATES_ABOUT_THE_QUERY)
        return transient_state and state != _STATEMENT_TIMEOUT, transient_state or about_the_query
    kinds = {kind.__name__ for kind in type(error).__mro__}
    transient = bool(kinds & {"OperationalError", "InterfaceError"})
    # psycopg's errors without an SQLSTATE are about the connection.
    readable = transient and (phase == "connect" or type(error).__module__.startswith("psycopg"))
    return transient and not any(words in message for words in _REFUSED), readable


def _without_detail(error: Exception) -> str | None:
    """Return a PostgreSQL error's primary message and hint; detail and context may quote values."""
    diagnostics = getattr(error, "diag", None)
    main = getattr(diagnostics, "message_primary", None)
    hint = getattr(diagnostics, "message_hint", None)
    return f"{main} ({hint})" if main and hint else main
