"""
Convert text as PostgreSQL's COPY writes it to the quoting of :mod:`persado.pipeline.format.delimited`.

COPY encloses fewer values than quote mode ``special_characters``, and ends its lines with LF. The missing bytes are
located in many rows at once and inserted. Blocks that fit into the processor's cache are twice as fast as large ones.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from persado.settings.models.effective import Settings

Positions = npt.NDArray[np.intp]

_QUOTE, _LF, _CR, _SPACE, _HASH = b'"\n\r #'
_END_OF_COPY = b"\\."
_IN_NUMBERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-.")
_NONE = np.empty(0, np.intp)


def is_findable(character: str | None) -> bool:
    """
    Return whether a delimiter or an escape character can be found by its byte alone.

    :param character: the character; None means the default, which can be found
    """
    return character is None or (character.isascii() and character not in _IN_NUMBERS)


def is_null_distinct(settings: Settings) -> bool:
    """Return whether an unquoted ``null_text`` differs from every value that must be enclosed."""
    null_text = settings.null_text
    if settings.quote_mode == "all" or not null_text:
        return True
    escape = settings.escape_character or '"'
    return escape not in null_text and null_text[0] > "#" and null_text[-1] > " " and null_text != "\\."


class Requoter:
    """
    Adds the quotes and line endings that the settings require.

    :param settings: the settings; delimiter and escape character must be single bytes in UTF-8
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._escape = (settings.escape_character or '"').encode()
        self._all_enclosed = settings.quote_mode in {"all", "all_non_null"}

    def fields(self, text: bytes) -> Fields:
        """
        Find the fields of some rows.

        :param text: whole rows in COPY's CSV format, with the settings' delimiter and NULL text, doubled quotes and LF
            line endings; quote modes other than ``special_characters`` are already applied
        """
        return Fields(text, ord(self._settings.field_delimiter))

    def requote(self, found: Fields, rows: int) -> bytes:
        """
        Add the missing quotes and line endings.

        :param found: the fields of the rows
        :param rows: the number of rows
        """
        text = found.text
        begins, ends = (_NONE, _NONE) if self._all_enclosed else found.bare_fields(self._special(found))
        inserts = [(begins, _QUOTE)]
        if self._escape != b'"':
            inserts.append((np.flatnonzero(found.data == self._escape[0]), self._escape[0]))
            text = found.with_quotes_escaped(self._escape[0])
        inserts.append((ends, _QUOTE))
        crlf = self._settings.line_ending == "CRLF"
        if crlf and text.count(b"\n") > rows:  # some line breaks are inside values
            inserts.append((found.outside(np.flatnonzero(found.data == _LF)), _CR))
            crlf = False
        text = _insert(text, inserts)
        return text.replace(b"\n", b"\r\n") if crlf else text

    def _special(self, found: Fields) -> Positions:
        """Find a byte in each unquoted field that ``delimited`` would enclose."""
        hits = [found.low_at_an_end()]
        if self._settings.null_text:  # otherwise NULL is empty, and COPY encloses empty strings
            hits.append(found.empty())
        if self._escape != b'"' and self._escape in found.text:
            hits.append(np.flatnonzero(found.data == self._escape[0]))
        if b"\\" in found.text and _END_OF_COPY in found.text:  # searching for one character is much faster
            hits.append(found.equal(_END_OF_COPY))
        return found.outside(np.concatenate(hits))


class Fields:
    """
    The positions of the fields in whole rows.

    :param text: the rows
    :param delimiter: the byte between two fields
    """

    def __init__(self, text: bytes, delimiter: int) -> None:
        self.text = text
        self.data = np.frombuffer(text, np.uint8)
        self._is_end = (self.data == delimiter) | (self.data == _LF)
        self._quotes: Positions | None = None

    @property
    def quotes(self) -> Positions:
        """The positions of the quotes."""
        if self._quotes is None:
            self._quotes = np.flatnonzero(self.data == _QUOTE)
        return self._quotes

    def outside(self, positions: Positions) -> Positions:
        """Return the positions that are not inside quotes."""
        return positions[np.searchsorted(self.quotes, positions) % 2 == 0] if len(positions) else positions

    def low_at_an_end(self) -> Positions:
        """Find fields that begin with a character up to ``#`` or end with one up to the space."""
        is_end = self._is_end
        # The characters that confuse readers, except those that end a field.
        low = ((self.data <= _HASH) & (self.data != _QUOTE)) > is_end
        first = np.flatnonzero(low[:1])
        neighbours = np.flatnonzero((is_end[:-1] & low[1:]) | (low[:-1] & is_end[1:]))
        begins = is_end[neighbours]
        positions = neighbours + begins
        return np.concatenate([first, positions[begins | (self.data[positions] <= _SPACE)]])

    def empty(self) -> Positions:
        """Find the empty unquoted fields; two adjacent ends inside a value look the same."""
        is_end = self._is_end
        return np.concatenate([np.flatnonzero(is_end[:1]), np.flatnonzero(is_end[:-1] & is_end[1:]) + 1])

    def equal(self, word: bytes) -> Positions:
        """Find the fields that equal a word."""
        ends = np.flatnonzero(self._is_end)
        begins = np.concatenate([[0], ends[:-1] + 1])
        begins = begins[ends - begins == len(word)]
        return np.array([at for at in begins.tolist() if self.text.startswith(word, at)], np.intp)

    def bare_fields(self, inside: Positions) -> tuple[Positions, Positions]:
        """Return where unquoted fields begin and end, from a position inside each."""
        if not len(inside):
            return inside, inside
        ends = np.flatnonzero(self._is_end)
        at = np.unique(np.searchsorted(ends, inside))
        return np.where(at > 0, ends[at - 1] + 1, 0), ends[at]

    def with_quotes_escaped(self, escape: int) -> bytes:
        """Replace the first of two doubled quotes inside values with the escape character."""
        closing, opening = self.quotes[1:-1:2], self.quotes[2::2]
        doubled = closing[opening == closing + 1]
        if not len(doubled):
            return self.text
        changed = self.data.copy()
        changed[doubled] = escape
        return changed.tobytes()


def _insert(text: bytes, inserts: list[tuple[Positions, int]]) -> bytes:
    """Insert bytes; at the same position, in the order of ``inserts``."""
    positions = np.concatenate([at for at, _ in inserts])
    if not len(positions):
        return text
    values = np.concatenate([np.full(len(at), byte, np.uint8) for at, byte in inserts])
    order = np.argsort(positions, kind="stable")
    pieces: list[bytes | memoryview] = []
    done, view = 0, memoryview(text)
    for position, value in zip(positions[order].tolist(), values[order].tobytes(), strict=True):
        pieces += (view[done:position], _BYTES[value])
        done = position
    return b"".join([*pieces, view[done:]])


_BYTES = [bytes([value]) for value in range(256)]
