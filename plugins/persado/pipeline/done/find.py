"""Find ``.DONE`` files at the site, and read their content."""

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
from persado.pipeline.done.pattern import DonePath, entries, folders, skip_refused
from persado.pipeline.site.errors import site_errors
from persado.pipeline.site.session import Session

MANIFEST_LIMIT = 256 * 1024
"""Larger ``.DONE`` files are not read; in bytes."""
_DEPTH_LIMIT = 16

_LOG = logging.getLogger(__name__)


class DoneFile(BaseModel):
    """
    A ``.DONE`` file that was found.

    :param path: its full path at the site
    :param size: its size in bytes
    :param mtime: when it was written, by the site's clock, UTC; None if the site does not report it
    :param manifest: its content, if that is a JSON object of at most 256 KiB. It comes from outside: check it before
        you rely on it
    """

    model_config = ConfigDict(frozen=True)

    path: str
    size: int
    mtime: datetime | None
    manifest: dict[str, JsonValue] | None = None


def moment(text: date | str | None) -> datetime | None:
    """
    Parse ISO text, or a date with or without time; UTC unless it has an offset, midnight unless it has a time.

    :param text: the moment; None and empty text mean none
    :raises ConfigurationError: if it cannot be parsed
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
    Return the newest matching file with its manifest; None if there is none.

    :param path: which files match
    :param newer_than: ignore files that were written in an earlier second than this
    """
    late = [file for file in _matching(session, path) if is_newer(file, newer_than)]
    newest = max(late, key=lambda file: (file.mtime or datetime.min.replace(tzinfo=UTC), file.path), default=None)
    return newest and with_manifest(session, newest)


def list_files(session: Session, pattern: str, path: DonePath | None = None) -> list[DoneFile] | None:
    """
    List files, without their manifests.

    :param pattern: their folder, or a pattern of folders
    :param path: which files match; None lists all
    :return: None if there is no such folder
    """
    found: list[DoneFile] = []
    any_folder = False
    for folder in folders(session, pattern):
        with skip_refused(folder != pattern):
            listed = entries(session, folder)
            any_folder = any_folder or listed is not None
            for entry in listed or ():
                if path is None or path.matches(entry.filename):
                    full = posixpath.join(folder, entry.filename)
                    # Follow a link to learn what it leads to.
                    linked = entry.st_mode is None or stat.S_ISLNK(entry.st_mode)
                    found.extend(_at(session, full) if linked else _file(full, entry))
    return found if any_folder else None


def _matching(session: Session, path: DonePath) -> list[DoneFile]:
    if path.has_wildcards:
        return list_files(session, path.folder, path) or []
    found: list[DoneFile] = []
    for folder in folders(session, path.folder):
        with skip_refused(folder != path.folder):
            found += _at(session, posixpath.join(folder, path.name))
    return found


def is_newer(file: DoneFile, newer_than: datetime | None) -> bool:
    """
    Return whether a file is new enough. Sites report whole seconds: only those are compared, and equal is enough.

    :param newer_than: the moment; None accepts every file
    :raises RejectedError: if the site does not report when the file was written
    """
    if newer_than is None:
        return True
    if file.mtime is None:
        raise RejectedError(f"{file.path}: the site does not report when it was written. Remove newer_than")
    return file.mtime >= newer_than.replace(microsecond=0)


def with_manifest(session: Session, file: DoneFile) -> DoneFile | None:
    """
    Add the content of a file, if that is a JSON object.

    :return: None if the file no longer exists
    """
    if not file.size:
        return file
    if file.size > MANIFEST_LIMIT:
        _LOG.warning("%s has %s bytes, more than %s: its content is not read", file.path, file.size, MANIFEST_LIMIT)
        return file
    data = None
    with site_errors(f"cannot read {file.path}"), suppress(FileNotFoundError), session.open(file.path, "rb") as opened:
        data = opened.read(MANIFEST_LIMIT + 1)
    return None if data is None else file.model_copy(update={"manifest": read_manifest(data)})


def read_manifest(data: bytes) -> dict[str, JsonValue] | None:
    """Parse untrusted JSON; None if it is not an object, or if a database could not store it."""
    if len(data) > MANIFEST_LIMIT:
        return None
    try:
        # Refuse what a JSON column refuses: NaN, lone surrogates and NUL.
        read = json.loads(data, parse_constant=_refuse_constant)
        json.dumps(read, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) and _is_plain(read, _DEPTH_LIMIT) else None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _is_plain(value: Any, depth: int) -> bool:
    """Return whether a value is only data: in Airflow's own JSON, keys that begin with `__` name classes to load."""
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
    with site_errors(f"cannot access {path}"), suppress(FileNotFoundError):
        return list(_file(path, session.stat(path)))
    return []


def _file(path: str, attributes: paramiko.SFTPAttributes) -> Iterator[DoneFile]:
    """Yield the file; nothing if it is a folder or the like."""
    if attributes.st_mode is None or stat.S_ISREG(attributes.st_mode):
        mtime = None if attributes.st_mtime is None else datetime.fromtimestamp(attributes.st_mtime, UTC)
        yield DoneFile(path=path, size=attributes.st_size or 0, mtime=mtime)
