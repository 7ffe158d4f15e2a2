"""
How an engine writes finished text itself, and which settings it honours when it does.

The text must be, byte for byte, what the rows become on their way through Arrow. An engine may write it only if it
honours every setting that shapes it; otherwise the rows go through Arrow. So a setting that the author of an engine
did not know of makes a delivery slower, and never changes its bytes.
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
"""The headers, and the blocks of text as :func:`persado.pipeline.format.split.parts` gives them."""

Write = Callable[[Any, str, RowSpec, Settings], AbstractContextManager[Text | None]]
"""
Runs a query and writes its rows: takes the connection, the query, the selection and the settings.

It gives None, before it has read a row, where it cannot write exactly that text.
"""

Honoured = Mapping[str, Callable[[Any], bool]]
"""The settings that an engine honours, each with a check of its value. Any other setting must have its default."""


@dataclass(frozen=True, kw_only=True)
class TextWriter:
    """
    An engine's own way to write text.

    :param write: writes it; called only with settings that are honoured
    :param read_by: the name of this way in the receipt
    :param honoured: the engine module's own declaration; what depends on several settings is for ``write`` to check
    """

    write: Write
    read_by: str
    honoured: Honoured

    def honours(self, settings: Settings) -> bool:
        """Check every setting that shapes the text."""
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
    """Accept these values of a setting, and none that may be added to it later."""
    return frozenset(values).__contains__
