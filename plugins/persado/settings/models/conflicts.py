"""Contradictions between settings, checked after all levels are merged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persado.settings.filenames.syntax import FILE_NUMBER
from persado.settings.filenames.template import FilenameTemplate

if TYPE_CHECKING:
    from persado.settings.models.file_settings import SettingsLayer

ISAL_BEST = 3
_DELIMITERS = {"csv": ",", "tsv": "\t", "psv": "|"}


@dataclass(frozen=True)
class Conflict:
    """
    Settings that contradict each other.

    :param keys: the settings involved; messages name the first one
    :param message: what is wrong and what to do
    """

    keys: tuple[str, ...]
    message: str


def conflicts(settings: SettingsLayer) -> Iterator[Conflict]:
    """
    Yield the contradictions between settings whose single values are valid.

    :param settings: all levels merged
    """
    if (settings.file_format == "custom") != (settings.delimiter is not None):
        yield _delimiter(settings)
        return
    yield from _escape(settings)
    yield from _cell_texts(settings)
    yield from _compression(settings)
    yield from _pgp(settings)
    yield from _split(settings)


def field_delimiter(settings: SettingsLayer) -> str:
    """Return the character between two values, whatever the file format."""
    return settings.delimiter or _DELIMITERS[settings.file_format]


def _delimiter(settings: SettingsLayer) -> Conflict:
    keys = ("delimiter", "file_format")
    if settings.delimiter is None:
        return Conflict(keys, "file_format custom needs a delimiter. Add delimiter: and one character, such as ';'.")
    return Conflict(
        keys,
        f"file_format {settings.file_format} has a fixed delimiter. Remove delimiter, or write file_format: custom.",
    )


def _escape(settings: SettingsLayer) -> Iterator[Conflict]:
    if settings.escape_character == field_delimiter(settings):
        yield Conflict(
            ("escape_character", "delimiter", "file_format"),
            "the escape character is also the delimiter. Choose another escape character, or null.",
        )
    if settings.quote_mode == "none" and settings.escape_character in {None, '"'} and not settings.allow_unescaped:
        yield Conflict(
            ("quote_mode", "escape_character", "allow_unescaped"),
            "quote_mode none without an escape character lets values break their rows. Set escape_character to a"
            " character other than a double quote, choose another quote_mode, or allow it: allow_unescaped: true.",
        )


def _cell_texts(settings: SettingsLayer) -> Iterator[Conflict]:
    for key in ("null_text", "nan_text"):
        if field_delimiter(settings) in (getattr(settings, key) or ""):
            yield Conflict(
                (key, "delimiter", "file_format"),
                f"{key} contains the delimiter, which would split the value. Choose a {key} without it.",
            )


def _compression(settings: SettingsLayer) -> Iterator[Conflict]:
    if settings.compressor == "isal" and (settings.compression_level or 0) > ISAL_BEST:
        yield Conflict(
            ("compression_level", "compressor"),
            f"isal has the levels 1 to {ISAL_BEST}, got {settings.compression_level}. Choose one of them, or write"
            " compressor: zlib.",
        )


def _pgp(settings: SettingsLayer) -> Iterator[Conflict]:
    for key, what in (("pgp_signing_key", "signed"), ("pgp_fingerprint", "encrypted")):
        if getattr(settings, key) is not None and settings.pgp_public_key is None:
            yield Conflict(
                (key, "pgp_public_key"),
                f"{key} is set but pgp_public_key is not, so nothing would be {what}. Set pgp_public_key, or"
                f" write {key}: null.",
            )


def _split(settings: SettingsLayer) -> Iterator[Conflict]:
    if settings.split is None:
        return
    if FILE_NUMBER not in FilenameTemplate.parse(settings.split_filename_template, allow_file_number=True).tokens:
        yield Conflict(
            ("split_filename_template", "split"),
            "split makes several parts, but split_filename_template has no {{file_number}}, so they would all have"
            " the same name. Add {{file_number}}.",
        )
