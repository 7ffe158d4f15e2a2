"""The formatted result of a query, and how it was read."""

from __future__ import annotations

from typing import Any

from persado.pipeline.extract.engines import formatted_text
from persado.pipeline.rows.row_spec import RowSpec
from persado.settings.models.effective import Settings

COPIED, BY_ARROW = "postgres-copy", "postgres-cursor"


def written(connection: Any, sql: str, wanted: Settings, row_spec: RowSpec | None = None) -> tuple[str, bytes]:
    """Return how the rows were read, and the file."""
    with formatted_text(connection, sql, row_spec or RowSpec(), wanted) as text:
        return text.read_by, b"".join(block for _, _, block in text.blocks)
