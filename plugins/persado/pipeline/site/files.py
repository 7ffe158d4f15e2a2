"""Check, create, open and remove files and folders at the site, with readable errors."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import paramiko

from persado.errors import RejectedError, TransientError
from persado.pipeline.site.errors import ConnectionLostError, site_errors
from persado.pipeline.site.session import Session

Kind = Literal["folder", "file"]


def kind(session: Session, path: str) -> Kind | None:
    """Return what is at a path, or None if nothing is; a missing permission is an error."""
    with site_errors(f"cannot access {path}"):
        try:
            mode = session.stat(path).st_mode
        except FileNotFoundError:
            return None
    return "folder" if mode is not None and stat.S_ISDIR(mode) else "file"


def require_folder(session: Session, path: str) -> None:
    """
    Check that the remote folder exists.

    :raises RejectedError: if it is missing or not a folder
    """
    found = kind(session, path)
    if found != "folder":
        what = "there is no such folder" if found is None else "that is a file"
        raise RejectedError(
            f"remote folder {path}: {what} at the site. Create it there, correct remote_folder of the destination (a "
            "space in it is written with a backslash), or set create_remote_folder: true"
        )


def make_folders(session: Session, base: str, path: str, needed_by: str = "the file name's template") -> bool:
    """
    Create the folders between an existing one and a path below it.

    :param base: the existing folder
    :param path: the folder that is needed
    :param needed_by: what needs it, for the error
    :return: whether the folder was missing
    :raises RejectedError: if a file is in the way or the permission is missing
    """
    missing: list[str] = []
    while path.rstrip("/") != base.rstrip("/"):
        match kind(session, path):
            case "folder":
                break
            case "file":
                raise RejectedError(f"{path} at the site is a file, but {needed_by} needs a folder there")
        missing.append(path)
        path = posixpath.dirname(path)
    for folder in reversed(missing):
        try:
            with site_errors(f"cannot create the folder {folder}"):
                session.mkdir(folder)
        except TransientError as error:
            # Another delivery may have created it at the same moment.
            if isinstance(error, ConnectionLostError) or kind(session, folder) != "folder":
                raise
    return bool(missing)


def remove_if_there(session: Session, path: str) -> None:
    """Remove a file if it exists."""
    with site_errors(f"cannot remove {path}"), suppress(FileNotFoundError):
        session.remove(path)


def size_of(session: Session, path: str) -> int | None:
    """Return a file's size, or None if it does not exist."""
    with site_errors(f"cannot access {path}"), suppress(FileNotFoundError):
        return session.stat(path).st_size
    return None


def require_size(session: Session, path: str, size: int) -> None:
    """
    Check that a file at the site has the expected size.

    :raises RejectedError: if it does not exist
    :raises TransientError: if its size differs
    """
    with site_errors(f"cannot access {path}"):
        found = session.stat(path).st_size
    if found != size:
        raise TransientError(f"{path}: expected {size:,} bytes at the site, found {found:,}")


def require_arrived(session: Session, path: str, size: int) -> None:
    """
    Check the size of a file that was just sent: a successful close proves nothing.

    :raises TransientError: if it does not exist or its size differs
    """
    found = size_of(session, path)
    if found is None:
        raise TransientError(
            f"{path}: expected {size:,} bytes at the site, found no file. If the site collects files before they "
            "have their final names, it must skip names that end in .part or begin with a dot"
        )
    if found != size:
        raise TransientError(
            f"{path}: expected {size:,} bytes at the site, found {found:,}. The site did not store the file as it was "
            "sent; the next try sends it again"
        )


@contextmanager
def opened(session: Session, path: str, mode: str, *, awaited: bool = True) -> Iterator[paramiko.SFTPFile]:
    """
    Open a file at the site.

    :param mode: as in :func:`open`: ``rb``, ``wb``, ``wx`` or ``r+b``
    :param awaited: whether to wait for the response to the close; with ``rb`` never
    """
    with site_errors(f"cannot open {path}"):
        file = session.open(path, mode)
    # A read request may ask for any size: the site returns at most what it supports.
    file.MAX_REQUEST_SIZE = session.request_size if mode != "rb" else 1 << 18
    try:
        yield file
    except ConnectionLostError:
        # Closing the file would wait for the silent site again.
        session.close()
        raise
    finally:
        # The response to the close proves nothing; callers check the size.
        with suppress(OSError, EOFError, paramiko.SSHException):
            file._close(async_=mode == "rb" or not awaited)  # type: ignore[attr-defined]  # noqa: SLF001 - like its __del__
