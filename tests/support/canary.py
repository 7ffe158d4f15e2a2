"""A customer's value that no error may contain, and the error of a failing query."""

from __future__ import annotations

from typing import Any

import pytest

from persado.errors import PersadoError
from support.files.tabular import rows_of

CANARY = "ann@example.com"


def failure(connection: Any, sql: str) -> PersadoError:
    """Return the error of a failing query; no error in its chain may contain the value."""
    with pytest.raises(PersadoError) as caught:
        rows_of(connection, sql)
    error: BaseException | None = caught.value
    while error is not None:
        assert CANARY not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__
    return caught.value
