"""The grammar of filename templates: literal text with ``{{ token | filter:'argument' | … }}`` in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, NoReturn
from zoneinfo import ZoneInfo, available_timezones

from persado.errors import ConfigurationError
from persado.settings.filenames.joda import JodaPattern
from persado.settings.text.spelling import did_you_mean

DATE_TOKENS = ("now", "data_interval_start", "data_interval_end", "logical_date")
TEXT_TOKENS = ("orchestration", "run_id", "campaign_name", "group_name")
FILE_NUMBER = "file_number"

# ISO 8601 without colons: Windows and some SFTP servers do not accept them in names.
_DEFAULT_FORMAT = JodaPattern.parse("yyyy-MM-dd'T'HH-mm-ss")
_EXAMPLES = {"format": "format:'yyyy-MM-dd'", "local": "local:'America/Los_Angeles'", "next_day": "next_day"}

Shift = ZoneInfo | Literal["next_day"]


@dataclass(frozen=True)
class Placeholder:
    """
    One ``{{ … }}``.

    :param token: the name of the value
    :param position: where it begins in the template, counted from 1
    :param shifts: how a date is changed first: another zone, the next day
    :param pattern: how a date is formatted
    """

    token: str
    position: int
    shifts: tuple[Shift, ...] = ()
    pattern: JodaPattern = field(default=_DEFAULT_FORMAT)


def parse_template(text: str, *, allow_file_number: bool) -> tuple[str | Placeholder, ...]:
    """
    Parse a template.

    :param allow_file_number: whether ``file_number`` has a value here
    :return: its literal text and its placeholders, in order
    :raises ConfigurationError: with the position of the mistake and what was expected
    """
    tokens = (*DATE_TOKENS, *TEXT_TOKENS, *([FILE_NUMBER] if allow_file_number else []))
    parts: list[str | Placeholder] = []
    at = 0
    while (brace := re.compile("[{}]").search(text, at)) is not None:
        start = brace.start()
        if not text.startswith("{{", start):
            _refuse(
                text, start, f'a single "{text[start]}"; a value is written {{{{now}}}}, with two braces on each side'
            )
        end = text.find("}}", start)
        if end < 0:
            _refuse(text, start, 'this "{{" is never closed; expected "}}" after the value')
        if start > at:
            parts.append(text[at:start])
        parts.append(_Reader(text, start + 2, end, tokens).placeholder())
        at = end + 2
    if at < len(text):
        parts.append(text[at:])
    return tuple(parts)


def _refuse(template: str, at: int, problem: str) -> NoReturn:
    raise ConfigurationError(f"character {at + 1} of the template {template!r}: {problem}")


class _Reader:
    """Parse the text between two pairs of braces, from left to right."""

    def __init__(self, template: str, start: int, end: int, tokens: tuple[str, ...]) -> None:
        self._template, self._at, self._end, self._tokens = template, start, end, tokens

    def placeholder(self) -> Placeholder:
        """Read the token and all its filters."""
        position = self._at - 1
        token = self._token()
        shifts: list[Shift] = []
        pattern: JodaPattern | None = None
        while self._at < self._end:
            start, name = self._filter(token)
            if pattern is not None:
                self._refuse(start, f'"{name}" comes too late: format turns the date into text, so it must be the last')
            if name == "format":
                pattern = self._pattern()
            else:
                shifts.append(self._zone() if name == "local" else self._next_day())
        return Placeholder(token, position, tuple(shifts), pattern or _DEFAULT_FORMAT)

    def _token(self) -> str:
        start, token = self._word("the name of a value, such as now")
        if token == FILE_NUMBER and token not in self._tokens:
            self._refuse(start, "file_number has a value only in the templates of split outputs, which name the parts")
        if token not in self._tokens:
            known = ", ".join(self._tokens)
            self._refuse(start, f'unknown value "{token}" (known: {known}).{did_you_mean(token, self._tokens)}')
        return token

    def _filter(self, token: str) -> tuple[int, str]:
        if self._template[self._at] != "|":
            self._refuse(self._at, f'expected "|" or "}}}}" here, found {self._rest()!r}')
        self._at += 1
        start, name = self._word("the name of a filter, such as format")
        if name not in _EXAMPLES:
            known = ", ".join(_EXAMPLES.values())
            self._refuse(start, f'unknown filter "{name}" (known: {known}).{did_you_mean(name, _EXAMPLES)}')
        if token not in DATE_TOKENS:
            self._refuse(start, f'"{name}" works on dates ({", ".join(DATE_TOKENS)}); {token} is not one')
        return start, name

    def _next_day(self) -> Shift:
        if self._template[self._at] in ":'\"(":
            self._refuse(self._at, "next_day takes no argument; write {{now|next_day}}")
        return "next_day"

    def _zone(self) -> ZoneInfo:
        start, name = self._argument("local", r"(?P<text>[^'\"]*){quote}")
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            problem = f"no time zone is named {name!r}; expected a name of the IANA list, such as America/Los_Angeles"
            self._refuse(start, f"{problem}.{did_you_mean(name, available_timezones())}")

    def _pattern(self) -> JodaPattern:
        # A format may contain quotes, such as 'yyyy'T'HH': the one before | or }} closes it.
        start, text = self._argument("format", r"(?P<text>.*?){quote}(?=\s*(\||$))")
        try:
            return JodaPattern.parse(text)
        except ConfigurationError as error:
            self._refuse(start, str(error))

    def _argument(self, name: str, closed_text: str) -> tuple[int, str]:
        example = f"write {_EXAMPLES[name]}"
        colon, rest = self._at, self._rest()
        if not rest or rest[0] == "|":
            self._refuse(colon, f"{name} needs an argument; {example}")
        if rest[0] in "'\"":
            meant = f"write {name}:{rest.split('|')[0].rstrip()}"
            self._refuse(colon, f"the colon after {name} is missing; {meant if meant.isprintable() else example}")
        if rest[0] != ":":
            self._refuse(colon, f"expected a colon after {name}; {example}")
        start = colon + 1 + len(rest[1:]) - len(rest[1:].lstrip())
        if not self._template[start : self._end] or self._template[start] not in "'\"":
            self._refuse(start, f"the argument of {name} goes between straight quotes; {example}")
        quote = self._template[start]
        match = re.compile(closed_text.replace("{quote}", quote), re.DOTALL).match(self._template, start + 1, self._end)
        if match is None:
            self._refuse(start, f"this {quote} is never closed; {example}")
        self._at = match.end()
        self._skip_space()
        return start, match["text"]

    def _word(self, expected: str) -> tuple[int, str]:
        self._skip_space()
        match = re.compile(r"\w+").match(self._template, self._at, self._end)
        if match is None:
            found = f"found {self._rest()!r}" if self._rest() else "found nothing"
            self._refuse(self._at, f"expected {expected}, {found}")
        self._at = match.end()
        self._skip_space()
        return match.start(), match.group()

    def _skip_space(self) -> None:
        self._at = self._end - len(self._rest().lstrip())

    def _rest(self) -> str:
        return self._template[self._at : self._end]

    def _refuse(self, at: int, problem: str) -> NoReturn:
        _refuse(self._template, at, problem)
