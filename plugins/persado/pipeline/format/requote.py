"""
Change the quotes of text that PostgreSQL's COPY has written into those of :mod:`persado.pipeline.format.delimited`.

COPY encloses fewer values than quote mode ``special_characters`` asks for, and ends its lines with LF. What is missing
is found in the bytes of many rows at once and put in where it is missing. Blocks that fit into the processor's cache
go twice as fast as large ones.
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
    Check whether a delimiter or an escape character can be told from a value by its byte.

    :param character: the character; None where the settings' own default, which can be, takes its place
    """
    return character is None or (character.isascii() and character not in _IN_NUMBERS)


def is_null_distinct(settings: Settings) -> bool:
    """Check that a bare text that stands for NULL does not look like a value that has to be enclosed."""
    null_text = settings.null_text
    if settings.quote_mode == "all" or not null_text:
        return True
    escape = settings.escape_character or '"'
    return escape not in null_text and null_text[0] > "#" and null_text[-1] > " " and null_text != "\\."


class Requoting:
    """
    Adds the quotes and line ends that the settings want.

    :param settings: how the text is wanted; the delimiter and the escape character are single bytes in UTF-8
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._escape = (settings.escape_character or '"').encode()
        self._all_enclosed = settings.quote_mode in {"all", "all_non_null"}

    def fields(self, text: bytes) -> Fields:
        """
        Find the fields of some rows.

        :param text: whole rows as COPY writes them in its CSV format: with the settings' delimiter and NULL text,
            the values enclosed that the quote mode encloses anyhow, quotes doubled, LF at the ends
        """
        return Fields(text, ord(self._settings.field_delimiter))

    def requoted(self, found: Fields, rows: int) -> bytes:
        """
        Add the missing quotes and line ends to some rows.

        :param found: their fields
        :param rows: how many they are
        """
        text = found.text
        begins, ends = (_NONE, _NONE) if self._all_enclosed else found.bare_fields(self._special(found))
        inserts = [(begins, _QUOTE)]
        if self._escape != b'"':
            inserts.append((np.flatnonzero(found.data == self._escape[0]), self._escape[0]))
            text = found.with_quotes_escaped(self._escape[0])
        inserts.append((ends, _QUOTE))
        crlf = self._settings.line_ending == "CRLF"
        if crlf and text.count(b"\n") > rows:  # some are inside of values
            inserts.append((found.outside(np.flatnonzero(found.data == _LF)), _CR))
            crlf = False
        text = _inserted(text, inserts)
        return text.replace(b"\n", b"\r\n") if crlf else text

    def _special(self, found: Fields) -> Positions:
        """Find a byte of each field that has to be enclosed but is not, as ``delimited`` decides it."""
        hits = [found.low_at_an_end()]
        if self._settings.null_text:  # else nothing at all stands for NULL, and COPY encloses the empty text
            hits.append(found.empty())
        if self._escape != b'"' and self._escape in found.text:
            hits.append(np.flatnonzero(found.data == self._escape[0]))
        if b"\\" in found.text and _END_OF_COPY in found.text:  # one character is found much faster
            hits.append(found.equal(_END_OF_COPY))
        return found.outside(np.concatenate(hits))


class Fields:
    """
    The fields of whole rows, by where their bytes are.

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
        """Where the quotes are."""
        if self._quotes is None:
            self._quotes = np.flatnonzero(self.data == _QUOTE)
        return self._quotes

    def outside(self, positions: Positions) -> Positions:
        """Keep the positions that are not inside of quotes."""
        return positions[np.searchsorted(self.quotes, positions) % 2 == 0] if len(positions) else positions

    def low_at_an_end(self) -> Positions:
        """Find the low characters with which a field begins, and those up to the space with which one ends."""
        is_end = self._is_end
        low = ((self.data <= _HASH) & (self.data != _QUOTE)) > is_end  # what makes readers trip, unless it ends a field
        first = np.flatnonzero(low[:1])
        neighbours = np.flatnonzero((is_end[:-1] & low[1:]) | (low[:-1] & is_end[1:]))
        begins = is_end[neighbours]
        positions = neighbours + begins
        return np.concatenate([first, positions[begins | (self.data[positions] <= _SPACE)]])

    def empty(self) -> Positions:
        """Find the fields without any character, not even quotes; two ends inside of a value look the same."""
        is_end = self._is_end
        return np.concatenate([np.flatnonzero(is_end[:1]), np.flatnonzero(is_end[:-1] & is_end[1:]) + 1])

    def equal(self, word: bytes) -> Positions:
        """Find the fields that are a word."""
        ends = np.flatnonzero(self._is_end)
        begins = np.concatenate([[0], ends[:-1] + 1])
        begins = begins[ends - begins == len(word)]
        return np.array([at for at in begins.tolist() if self.text.startswith(word, at)], np.intp)

    def bare_fields(self, inside: Positions) -> tuple[Positions, Positions]:
        """Give where fields without quotes begin and end, by a position in each."""
        if not len(inside):
            return inside, inside
        ends = np.flatnonzero(self._is_end)
        at = np.unique(np.searchsorted(ends, inside))
        return np.where(at > 0, ends[at - 1] + 1, 0), ends[at]

    def with_quotes_escaped(self, escape: int) -> bytes:
        """Put the escape character before the quotes inside of values, in place of the first of two."""
        closing, opening = self.quotes[1:-1:2], self.quotes[2::2]
        doubled = closing[opening == closing + 1]
        if not len(doubled):
            return self.text
        changed = self.data.copy()
        changed[doubled] = escape
        return changed.tobytes()


def _inserted(text: bytes, inserts: list[tuple[Positions, int]]) -> bytes:
    """Insert bytes; of several at one position, those named first come first."""
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
