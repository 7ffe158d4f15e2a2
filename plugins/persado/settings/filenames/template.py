"""
File names, rendered from templates such as ``a/{{now|local:'Europe/Paris'|format:'yyyy-MM-dd'}}.csv``.

A date without ``format`` is written as ``2026-11-23T04-05-06``. A slash or backslash in a text value (a run id, a
campaign's name) becomes ``_``, so that only the template creates folders.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from persado.errors import ConfigurationError
from persado.settings.filenames.syntax import DATE_TOKENS, FILE_NUMBER, Placeholder, Shift, parse_template

_MAX_BYTES = 255  # of one path component, on nearly every file system
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, surrogates, line and paragraph separators
_UTC = ZoneInfo("UTC")

_INSTEAD = {
    "data_interval_start": "it is known in scheduled runs only; use now or logical_date",
    "data_interval_end": "it is known in scheduled runs only; use now or logical_date",
    "logical_date": "a run that an asset or a person started may have none; use now",
    "campaign_name": "only campaigns have one; use orchestration",
    "group_name": "only campaigns have one; use orchestration",
    FILE_NUMBER: "only the parts of split outputs have one; use now",
}


@dataclass(frozen=True, kw_only=True)
class NameValues:
    """
    The values of a template's placeholders. None means that this run has no such value.

    :param now: fixed once a run, so that all parts and retries agree
    :param orchestration: the orchestration's name
    :param group_name: the treatment group's name
    :param file_number: the part's number, counted from 1
    :raises ValueError: if a date has no time zone
    """

    now: datetime
    orchestration: str
    run_id: str
    data_interval_start: datetime | None = None
    data_interval_end: datetime | None = None
    logical_date: datetime | None = None
    campaign_name: str | None = None
    group_name: str | None = None
    file_number: int | None = None

    def __post_init__(self) -> None:
        """Refuse dates without a time zone."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, datetime) and value.utcoffset() is None:
                raise ValueError(f"{field.name} has no time zone")


@dataclass(frozen=True)
class FilenameTemplate:
    """
    A parsed template; create one with :meth:`parse`.

    :param text: the template as written
    :param parts: literal text and placeholders, in order
    """

    text: str
    parts: tuple[str | Placeholder, ...]

    @classmethod
    def parse(cls, text: str, *, allow_file_number: bool = False) -> FilenameTemplate:
        """
        Parse a template, and check that its names can be used.

        :param allow_file_number: whether ``file_number`` has a value here: in the templates of split outputs
        :raises ConfigurationError: with the position of the mistake and what was expected
        """
        template = cls(text, parse_template(text, allow_file_number=allow_file_number))
        template.render(_SHORTEST)  # finds "..", a leading slash and the like before a run does
        return template

    @property
    def tokens(self) -> frozenset[str]:
        """The names of all values that the template uses."""
        return frozenset(part.token for part in self.parts if isinstance(part, Placeholder))

    def render(self, values: NameValues) -> str:
        """
        Return the name, which may have sub-folders and stays below the remote folder.

        :raises ConfigurationError: if a value is missing or the name cannot be used
        """
        name = "".join(part if isinstance(part, str) else self._value(part, values) for part in self.parts)
        try:
            return check_remote_name(name)
        except ConfigurationError as error:
            raise ConfigurationError(f"the template {self.text!r} makes a bad name: {error}") from None

    def _value(self, part: Placeholder, values: NameValues) -> str:
        value = getattr(values, part.token)
        if value is None:
            raise ConfigurationError(
                f"character {part.position} of the template {self.text!r}: this run has no {part.token}; "
                f"{_INSTEAD[part.token]}"
            )
        if part.token in DATE_TOKENS:
            return part.pattern.format(_shifted(value, part.shifts))
        if part.token == FILE_NUMBER:
            return f"{value:07d}"
        return str(value).replace("/", "_").replace("\\", "_")


def check_remote_name(name: str) -> str:
    """
    Refuse a name that would leave the remote folder, be hidden, or be invalid on the receiver's file system.

    :param name: a name relative to the remote folder, with or without sub-folders
    :return: the same name
    :raises ConfigurationError: with what is wrong
    """
    if not name:
        raise ConfigurationError("the file name is empty")
    if any(unicodedata.category(character) in _UNPRINTABLE for character in name):
        raise ConfigurationError(f"the file name {name!r} contains a control character")
    if "\\" in name:
        raise ConfigurationError(f"the file name {name!r} contains a backslash; sub-folders are separated by /")
    if name.startswith("/"):
        raise ConfigurationError(f"the file name {name!r} begins with /; it must be relative to the remote folder")
    if name.endswith("/"):
        raise ConfigurationError(f"the file name {name!r} ends with /; the name of the file itself is missing")
    for component in name.split("/"):
        _check_component(name, component)
    return name


def _check_component(name: str, component: str) -> None:
    if not component:
        raise ConfigurationError(f"the file name {name!r} contains //; a folder's name is missing there")
    if component in (".", ".."):
        raise ConfigurationError(f'the file name {name!r} contains the folder "{component}", which leads elsewhere')
    if component.startswith("."):
        raise ConfigurationError(
            f"the file name {name!r} has a part that begins with a dot ({component!r}): "
            "receivers overlook hidden files, and unfinished uploads have such names"
        )
    if (size := len(component.encode())) > _MAX_BYTES:
        raise ConfigurationError(
            f"the file name {name!r} has a part of {size} bytes; file systems take at most {_MAX_BYTES}"
        )


def _shifted(moment: datetime, shifts: tuple[Shift, ...]) -> datetime:
    in_utc = moment.astimezone(UTC)
    # A plain datetime: Airflow's are pendulum's, whose arithmetic differs.
    moment = datetime.combine(in_utc.date(), in_utc.time(), tzinfo=_UTC)
    for shift in shifts:
        if isinstance(shift, ZoneInfo):
            moment = moment.astimezone(shift)
        else:
            # By the wall clock. Going through UTC turns an hour that the day skips into the one after it.
            moment = (moment + timedelta(days=1)).astimezone(_UTC).astimezone(moment.tzinfo)
    return moment


# Values of the shortest possible name: a name that is refused with these is refused in every run.
_SHORTEST_DATE = datetime(2026, 5, 1, 1, 1, 1, tzinfo=UTC)
_SHORTEST = NameValues(
    now=_SHORTEST_DATE,
    orchestration="x",
    run_id="x",
    data_interval_start=_SHORTEST_DATE,
    data_interval_end=_SHORTEST_DATE,
    logical_date=_SHORTEST_DATE,
    campaign_name="x",
    group_name="x",
    file_number=1,
)
