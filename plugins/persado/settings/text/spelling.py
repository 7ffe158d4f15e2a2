"""Guess what a misspelt name was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to a word, ignoring case; None if none is similar."""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean '…'?`` to append to a message, or an empty string if no name is similar."""
    near = closest(word, known)
    return f" Did you mean '{near}'?" if near else ""
