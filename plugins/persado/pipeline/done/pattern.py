"""Which ``.DONE`` files a path with shell wildcards matches."""

from __future__ import annotations

import fnmatch
import logging
import posixpath
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import paramiko

from persado.errors import ConfigurationError, RejectedError
from persado.pipeline.site.errors import site_errors
from persado.pipeline.site.session import Session

_WILDCARD = re.compile(r"[*?[]")

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class DonePath:
    """
    Which files to find. ``*``, ``?`` and ``[...]`` are wildcards within one level of folders.

    :param folder: the folder, or a pattern of folders
    :param name: the file's name, or a pattern of names
    """

    folder: str
    name: str

    @classmethod
    def parse(cls, path: str) -> DonePath:
        r"""
        Parse a full path, in which a space may be written ``\ `` as in a destination's ``remote_folder``.

        :raises ConfigurationError: if it is not a full path
        """
        if not isinstance(path, str):
            raise ConfigurationError(f"path: expected text, got {type(path).__name__}")
        folder, name = posixpath.split(path.replace("\\ ", " "))
        if not folder.startswith("/") or not name:
            raise ConfigurationError(f"path {path!r}: expected the full path of a file at the site, such as /*.DONE")
        if "**" in folder:
            raise ConfigurationError(f"path {path!r}: ** is not supported. Write one * for each level of folders")
        return cls(folder, name)

    @property
    def has_wildcards(self) -> bool:
        """Whether several names in a folder can match."""
        return _is_pattern(self.name)

    @property
    def root(self) -> str:
        """The folder above the first wildcard, which contains all matching files."""
        root = self.folder
        while _is_pattern(root):
            root = posixpath.dirname(root)
        return root

    def matches(self, name: str) -> bool:
        """Return whether a file's name matches. As in a shell, a wildcard does not match hidden files."""
        return _matches(name, self.name)

    def __str__(self) -> str:
        return posixpath.join(self.folder, self.name)


def folders(session: Session, pattern: str) -> list[str]:
    """
    Return the folders that match a pattern; a path without wildcards is returned as it is.

    :param pattern: the full path of a folder, or a pattern of such paths
    """
    if not _is_pattern(pattern):
        return [pattern]
    above, name = posixpath.split(pattern)
    parents = folders(session, above)
    if not _is_pattern(name):
        return [posixpath.join(parent, name) for parent in parents]
    found: list[str] = []
    for parent in parents:
        with skip_refused(parent != above):
            matching = [entry for entry in entries(session, parent) or () if _matches(entry.filename, name)]
            paths = [(posixpath.join(parent, entry.filename), entry) for entry in matching]
            found += [path for path, entry in paths if _is_folder(session, path, entry)]
    return found


@contextmanager
def skip_refused(by_wildcard: bool) -> Iterator[None]:
    """
    Skip a folder that the site refuses to show: as in a shell, wildcards skip what is private.

    :param by_wildcard: whether a wildcard matched the folder; if not, the error is raised
    """
    try:
        yield
    except RejectedError as error:
        if not by_wildcard:
            raise
        _LOG.info("%s", error)


def entries(session: Session, folder: str) -> list[paramiko.SFTPAttributes] | None:
    """List a folder; None if it does not exist."""
    with site_errors(f"cannot list {folder}"):
        try:
            return session.listdir_attr(folder)
        except FileNotFoundError:
            return None


def _is_folder(session: Session, path: str, entry: paramiko.SFTPAttributes) -> bool:
    mode = entry.st_mode
    if mode is None or stat.S_ISLNK(mode):
        # Follow a link to learn what it leads to.
        with site_errors(f"cannot access {path}"):
            try:
                mode = session.stat(path).st_mode
            except FileNotFoundError:
                return False
    return mode is not None and stat.S_ISDIR(mode)


def _is_pattern(text: str) -> bool:
    return _WILDCARD.search(text) is not None


def _matches(name: str, pattern: str) -> bool:
    if not _is_pattern(pattern):
        return name == pattern
    hidden = name.startswith(".") and not pattern.startswith(".")
    return not hidden and fnmatch.fnmatchcase(name, pattern)
