"""
Joda-Time's pattern language for dates and times, with English names.

The rules are those of Joda-Time's ``DateTimeFormat``: a run of one letter is a field, and the length of the run chooses
its form. Text between single quotes and every character that is not an ASCII letter are literal; two single quotes mean
one. There are two differences: an unclosed quote is refused instead of being closed silently, and ``S`` has
microseconds where Joda-Time stops at milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from persado.errors import ConfigurationError

# Not the calendar module's names: they follow the process's locale, and file names must not.
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_TOKEN = re.compile(
    r"""
      (?P<run>([A-Za-z])\2*)         # a field
    | (?P<quote>'')                  # one quote
    | '(?P<quoted>(?:[^']|'')++)'    # quoted text, in which two quotes are one again
    | (?P<plain>[^A-Za-z']+)         # everything else is literal
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Field:
    """
    A run of one pattern letter.

    :param letter: which part of the date
    :param count: how often the letter is repeated, which chooses the form
    """

    letter: str
    count: int

    def render(self, moment: datetime) -> str:
        """
        Format this part of a date.

        :param moment: an aware date and time, in the zone in which it is shown
        """
        return _WRITERS[self.letter](moment, self.count)


@dataclass(frozen=True)
class JodaPattern:
    """
    A parsed pattern; create one with :meth:`parse`.

    :param text: the pattern as written
    :param parts: literal text and fields, in order
    """

    text: str
    parts: tuple[str | Field, ...]

    @classmethod
    def parse(cls, text: str) -> JodaPattern:
        """
        Parse a pattern.

        :param text: such as ``yyyy-MM-dd'T'HH-mm``
        :raises ConfigurationError: for an unknown letter, an unclosed quote, or an empty text
        """
        if not text:
            raise ConfigurationError("the format is empty; expected Joda-Time letters, such as 'yyyy-MM-dd'")
        parts: list[str | Field] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise ConfigurationError(
                    f"in the format {text!r}, the quote at its character {at + 1} is never closed; "
                    "text stands between two single quotes ('T'), one quote is written as two ('')"
                )
            parts.append(_part(text, match))
            at = match.end()
        return cls(text, tuple(parts))

    def format(self, moment: datetime) -> str:
        """
        Format a date in this pattern.

        :param moment: an aware date and time, in the zone in which it is shown
        """
        return "".join(part if isinstance(part, str) else part.render(moment) for part in self.parts)


def _part(text: str, match: re.Match[str]) -> str | Field:
    run, quote, quoted, plain = match.group("run", "quote", "quoted", "plain")
    if run:
        if run[0] not in _WRITERS:
            raise ConfigurationError(
                f'in the format {text!r}, the letter "{run[0]}" (its character {match.start() + 1}) means nothing; '
                f"Joda-Time's letters are {' '.join(_WRITERS)}, and other text goes between single quotes: '{run}'"
            )
        return Field(run[0], len(run))
    if quote:
        return "'"
    if quoted:
        return quoted.replace("''", "'")
    return plain


def _number(value: Callable[[datetime], int]) -> Callable[[datetime, int], str]:
    """Format a number with at least as many digits as there are letters."""
    return lambda moment, count: f"{value(moment):0{count}d}"


def _year(value: Callable[[datetime], int]) -> Callable[[datetime, int], str]:
    """Two letters mean the last two digits; any other count is the minimum number of digits."""
    return lambda moment, count: f"{value(moment) % 100:02d}" if count == 2 else f"{value(moment):0{count}d}"


def _month(moment: datetime, count: int) -> str:
    if count < 3:
        return f"{moment.month:0{count}d}"
    name = _MONTHS[moment.month - 1]
    return name if count > 3 else name[:3]


def _weekday(moment: datetime, count: int) -> str:
    name = _DAYS[moment.weekday()]
    return name if count > 3 else name[:3]


def _fraction(moment: datetime, count: int) -> str:
    """Exactly as many digits as there are letters, truncated, never rounded."""
    return f"{moment.microsecond:06d}"[:count].ljust(count, "0")


def _offset(moment: datetime, separator: str) -> str:
    minutes = int((moment.utcoffset() or timedelta()).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}{separator}{rest:02d}"


def _zone_offset_or_id(moment: datetime, count: int) -> str:
    if count < 3:
        return _offset(moment, ":" if count == 2 else "")
    return str(getattr(moment.tzinfo, "key", moment.tzinfo))


def _zone_name(moment: datetime, count: int) -> str:
    if count > 3:
        from persado.settings.filenames.zone_names import full_zone_name  # loads Babel, which few patterns need

        name = full_zone_name(moment)
    else:
        name = moment.tzname()
    # The time zone database names some zones "-03"; Joda-Time writes the offset of those.
    return name if name and name[0].isalpha() else _offset(moment, ":")


_WRITERS: dict[str, Callable[[datetime, int], str]] = {
    "G": lambda _moment, _count: "AD",  # all years that Python knows are in this era
    "C": _number(lambda moment: moment.year // 100),
    "Y": _year(lambda moment: moment.year),
    "x": _year(lambda moment: moment.isocalendar().year),
    "w": _number(lambda moment: moment.isocalendar().week),
    "e": _number(lambda moment: moment.isoweekday()),
    "E": _weekday,
    "y": _year(lambda moment: moment.year),
    "D": _number(lambda moment: moment.timetuple().tm_yday),
    "M": _month,
    "d": _number(lambda moment: moment.day),
    "a": lambda moment, _count: "AM" if moment.hour < 12 else "PM",
    "K": _number(lambda moment: moment.hour % 12),
    "h": _number(lambda moment: moment.hour % 12 or 12),
    "H": _number(lambda moment: moment.hour),
    "k": _number(lambda moment: moment.hour or 24),
    "m": _number(lambda moment: moment.minute),
    "s": _number(lambda moment: moment.second),
    "S": _fraction,
    "z": _zone_name,
    "Z": _zone_offset_or_id,
}
