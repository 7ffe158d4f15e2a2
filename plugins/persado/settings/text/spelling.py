"""Guesses what a misspelt name was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str | None:
    """
    Find the known name that a word resembles most, capital letters aside.

    :param word: what a person wrote.
    :param known: the names that would have been right.
    :return: one of them, or None when no name is near.
    """
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """
    Suggest a name, as a sentence to append.

    :param word: what was written
    :param known: what would have been right
    :return: `` Did you mean '…'?``, or nothing when no name is near
    """
    near = closest(word, known)
    return f" Did you mean '{near}'?" if near else ""
