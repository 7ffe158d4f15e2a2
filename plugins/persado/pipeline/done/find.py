"""Look for ``.DONE`` files at the site, and read what they say about the delivery."""

from __future__ import annotations

import json
import logging
import posixpath
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import paramiko
from pydantic import BaseModel, ConfigDict, JsonValue

from persado.errors import ConfigurationError, RejectedError
from persado.pipeline.done.pattern import DonePath, entries, folders, passed_over
from persado.pipeline.site.errors import site_errors
from persado.pipeline.site.session import Session

MANIFEST_LIMIT = 256 * 1024
"""A ``.DONE`` file that is larger than this many bytes is not read."""
_DEPTH_LIMIT = 16

_LOG = logging.getLogger(__name__)


class DoneFile(BaseModel):
    """
    A ``.DONE`` file as it was found.

    :param path: its full path at the site
    :param size: its size in bytes
    :param mtime: when it was written, by the site's clock, UTC; None where the site does not tell
    :param manifest: what it holds, if that is a JSON object of reasonable size. It comes from outside: check it before
        anything depends on it
    """

    model_config = ConfigDict(frozen=True)

    path: str
    size: int
    mtime: datetime | None
    manifest: dict[str, JsonValue] | None = None


def moment(text: date | str | None) -> datetime | None:
    """
    Read a moment: ISO text or a date with time, in UTC where no offset says otherwise; of a date its midnight.

    :param text: the moment; None and empty text mean none
    :raises ConfigurationError: if it is no moment
    """
    if text is None or text == "":
        return None
    try:
        read = text if isinstance(text, datetime) else datetime.fromisoformat(str(text))
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"newer_than: expected a date and time in ISO form, such as 2026-03-05T06:00:00+00:00, got {text!r}"
        ) from None


def find_newest(session: Session, path: DonePath, newer_than: datetime | None) -> DoneFile | None:
    """
    Find the newest file that matches, with what it says; None while there is none.

    :param session: an open session
    :param path: which files
    :param newer_than: leave out files that were written in an earlier second than this
    """
    late = [file for file in _matching(session, path) if is_newer(file, newer_than)]
    newest = max(late, key=lambda file: (file.mtime or datetime.min.replace(tzinfo=UTC), file.path), default=None)
    return newest and with_manifest(session, newest)


def list_files(session: Session, pattern: str, path: DonePath | None = None) -> list[DoneFile] | None:
    """
    List files, without what they hold.

    :param session: an open session
    :param pattern: their folder, or the pattern of several
    :param path: which files; None lists all
    :return: None where there is no such folder
    """
    found: list[DoneFile] = []
    any_folder = False
    for folder in folders(session, pattern):
        with passed_over(folder != pattern):
            listed = entries(session, folder)
            any_folder = any_folder or listed is not None
            for entry in listed or ():
                if path is None or path.matches(entry.filename):
                    full = posixpath.join(folder, entry.filename)
                    # A link shows what it is only when it is followed.
                    linked = entry.st_mode is None or stat.S_ISLNK(entry.st_mode)
                    found.extend(_at(session, full) if linked else _file(full, entry))
    return found if any_folder else None


def _matching(session: Session, path: DonePath) -> list[DoneFile]:
    if path.has_wildcards:
        return list_files(session, path.folder, path) or []
    found: list[DoneFile] = []
    for folder in folders(session, path.folder):
        with passed_over(folder != path.folder):
            found += _at(session, posixpath.join(folder, path.name))
    return found


def is_newer(file: DoneFile, newer_than: datetime | None) -> bool:
    """
    Tell whether a file is new enough; sites tell whole seconds, so only those are compared, and equal is enough.

    :param file: the file
    :param newer_than: the moment; None takes every file
    :raises RejectedError: if the site does not tell when files were written
    """
    if newer_than is None:
        return True
    if file.mtime is None:
        raise RejectedError(f"{file.path}: the site does not tell when it was written. Leave out newer_than")
    return file.mtime >= newer_than.replace(microsecond=0)


def with_manifest(session: Session, file: DoneFile) -> DoneFile | None:
    """
    Add what a file holds, if that is a JSON object.

    :param session: an open session
    :param file: the file
    :return: None if it has gone meanwhile
    """
    if not file.size:
        return file
    if file.size > MANIFEST_LIMIT:
        _LOG.warning(
            "%s has %s bytes: it is not read, as more than %s are too much", file.path, file.size, MANIFEST_LIMIT
        )
        return file
    data = None
    with site_errors(f"cannot read {file.path}"), suppress(FileNotFoundError), session.open(file.path, "rb") as opened:
        data = opened.read(MANIFEST_LIMIT + 1)
    return None if data is None else file.model_copy(update={"manifest": read_manifest(data)})


def read_manifest(data: bytes) -> dict[str, JsonValue] | None:
    """
    Read a JSON object that anybody may have written; None for what is none, or what a database could not store.

    :param data: the file's bytes
    """
    if len(data) > MANIFEST_LIMIT:
        return None
    try:
        # What a JSON column refuses is refused here: NaN, half characters and the character 0.
        read = json.loads(data, parse_constant=_no_number)
        json.dumps(read, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) and _is_plain(read, _DEPTH_LIMIT) else None


def _no_number(name: str) -> None:
    raise ValueError(name)


def _is_plain(value: Any, depth: int) -> bool:
    """Whether a value is nothing but data: in Airflow's own JSON, keys that begin with `__` name classes to load."""
    if isinstance(value, str):
        return "\0" not in value
    if not isinstance(value, dict | list):
        return True
    if isinstance(value, dict) and any(key.startswith("__") or "\0" in key for key in value):
        return False
    return depth > 0 and all(
        _is_plain(item, depth - 1) for item in (value.values() if isinstance(value, dict) else value)
    )


def _at(session: Session, path: str) -> list[DoneFile]:
    with site_errors(f"cannot look at {path}"), suppress(FileNotFoundError):
        return list(_file(path, session.stat(path)))
    return []


def _file(path: str, attributes: paramiko.SFTPAttributes) -> Iterator[DoneFile]:
    """Give the file; nothing if it is a folder or the like."""
    if attributes.st_mode is None or stat.S_ISREG(attributes.st_mode):
        mtime = None if attributes.st_mtime is None else datetime.fromtimestamp(attributes.st_mtime, UTC)
        yield DoneFile(path=path, size=attributes.st_size or 0, mtime=mtime)
