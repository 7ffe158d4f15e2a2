"""
A database's errors, sorted into the project's own.

Their text is passed on only where it speaks of the query (syntax, names, rights), because elsewhere it may
quote a customer's value ("invalid input syntax for type integer: ...").
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from persado.errors import ConfigurationError, PersadoError, TransientError

_DUCKDB_ABOUT_THE_QUERY = {"ParserException", "BinderException", "CatalogException", "SyntaxException"}
_BUSY = ("locked", "could not set lock", "conflicting lock")


@contextmanager
def database_errors(doing: str = "the query failed") -> Iterator[None]:
    """
    Translate what a DB-API driver raises.

    :param doing: how the error begins: what was tried
    :raises ConfigurationError: where the query or the data is at fault
    :raises TransientError: where the connection is
    """
    try:
        yield
    except PersadoError:
        raise
    except Exception as error:
        if not _is_database_error(error):
            raise
        raise _translate(error, doing) from None


def _is_database_error(error: Exception) -> bool:
    return bool({"Error", "DatabaseError"} & {kind.__name__ for kind in type(error).__mro__})


def _translate(error: Exception, doing: str) -> PersadoError:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    driver = type(error).__module__.partition(".")[0].lstrip("_")
    message = " ".join(str(error).split())
    state = getattr(error, "sqlstate", None)
    transient = bool(kinds & {"OperationalError", "InterfaceError"})
    if driver == "sqlite3":
        transient = transient and any(word in message for word in _BUSY)
        readable = True
    elif driver == "duckdb":
        readable = transient or bool(kinds & _DUCKDB_ABOUT_THE_QUERY)
    elif state:
        # SQLSTATE class 42 is syntax, names and rights; 57 an operator's intervention, such as a statement time-out.
        readable = transient or state.startswith("42")
        transient = transient and state != "57014"
    else:
        readable = transient or "ProgrammingError" in kinds
    if readable:
        return (TransientError if transient else ConfigurationError)(f"{doing}: {message}")
    detail = f" (SQLSTATE {state})" if state else ""
    return ConfigurationError(
        f"{doing}: {type(error).__name__}{detail}. The database's own text is withheld, because it may quote a "
        "customer's value; run the query in the warehouse's client to see it"
    )
