"""
How an engine writes finished text itself, and which settings it honours.

The text must equal, byte for byte, the text that is formatted from Arrow record batches. An engine may write it only
if it honours every setting that shapes the text; otherwise the rows go through Arrow. A setting that an engine does
not know therefore makes a delivery slower, but never changes its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from persado.pipeline.format.split import Block
from persado.pipeline.rows.row_spec import RowSpec
from persado.settings.models.effective import Settings

Text = tuple[tuple[str, ...], Iterator[Block]]
"""The headers, and the blocks of text as :func:`persado.pipeline.format.split.parts` returns them."""

Write = Callable[[Any, str, RowSpec, Settings], AbstractContextManager[Text | None]]
"""
Runs a query and writes its rows; takes the connection, the query, the row rules and the settings.

Yields None, before it reads a row, if it cannot write exactly that text.
"""

Honoured = Mapping[str, Callable[[Any], bool]]
"""The settings that an engine honours, each with a check of its value. All other settings must have their defaults."""


@dataclass(frozen=True, kw_only=True)
class TextWriter:
    """
    How an engine writes text.

    :param write: writes the text; called only with settings that are honoured
    :param read_by: the name of this way of reading in the receipt
    :param honoured: the settings that the engine honours; ``write`` checks what depends on several settings
    """

    write: Write
    read_by: str
    honoured: Honoured

    def honours(self, settings: Settings) -> bool:
        """Return whether every setting that shapes the text is honoured or has its default."""
        for name in settings.text_settings():
            value = getattr(settings, name)
            check = self.honoured.get(name)
            if not (check(value) if check else value == _default(settings, name)):
                return False
        return True


def _default(settings: Settings, name: str) -> Any:
    return type(settings).model_fields[name].get_default(call_default_factory=True, validated_data={})


def any_value(_: Any) -> bool:
    """Accept every value of a setting."""
    return True


def one_of(*values: str) -> Callable[[Any], bool]:
    """Accept only these values of a setting, not those that may be added later."""
    return frozenset(values).__contains__
