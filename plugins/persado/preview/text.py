"""A preview as text for a terminal or a task's log."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from persado.pipeline.preview import MASK, Preview
from persado.preview.table import table
from persado.settings import Settings
from persado.settings.origins import effective_settings


def preview_text(
    preview: Preview, *, orchestration: str, connection: str, settings: Settings, origins: Mapping[str, str]
) -> str:
    """
    Return a preview as text.

    :param connection: Airflow connection of the site
    :param origins: for each setting, where its value was set
    """
    sections = (
        (f"Preview of {orchestration}: nothing is sent", ()),
        (f"Files, sent through the connection {connection}", list(_files(preview, settings.remote_dir))),
        ("Columns", list(_columns(preview))),
        ("Settings", [table(effective_settings(settings, origins))]),
        (_rows_title(preview), [preview.text.removesuffix("\n")] if preview.text else ["  no rows can be shown"]),
        ("Warnings", [f"  {text}" for text in preview.warnings]),
        ("This delivery would fail", [f"  {text}" for text in preview.problems]),
    )
    shown = [(title, lines) for title, lines in sections if lines or title == sections[0][0]]
    return "\n\n".join("\n".join([title, *lines]) for title, lines in shown) + "\n"


def _files(preview: Preview, remote_dir: str) -> Iterator[str]:
    for name in preview.files:
        yield f"  {posixpath.join(remote_dir, name)}"
    if len(preview.files) > 1:
        yield "  and so on, one name for each part"
    if preview.members:
        yield f"  containing {', '.join(preview.members)} and so on"
    if preview.done is not None:
        yield f"  {posixpath.join(remote_dir, preview.done)}, last"


def _columns(preview: Preview) -> Iterator[str]:
    if preview.columns:
        rows = [
            (column.name, column.origin, column.type, f"PII, shown as {MASK}" if column.pii else "")
            for column in preview.columns
        ]
        yield table(rows)


def _rows_title(preview: Preview) -> str:
    if preview.total == 0:
        return "The query returns no rows"
    total = "" if preview.total is None else f"; the query returns {preview.total:,}"
    return f"The first rows ({preview.rows:,}), as they would be written{total}"
