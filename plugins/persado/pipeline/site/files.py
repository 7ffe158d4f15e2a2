"""Look at, make, rename and remove what is at the site, with errors that a person understands."""

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
    """Tell what is under a path, None for nothing; a missing right is an error, not a no."""
    with site_errors(f"cannot look at {path}"):
        try:
            mode = session.stat(path).st_mode
        except FileNotFoundError:
            return None
    return "folder" if mode is not None and stat.S_ISDIR(mode) else "file"


def require_folder(session: Session, path: str) -> None:
    """
    Check that the remote folder is there.

    :raises RejectedError: if it is missing or no folder
    """
    found = kind(session, path)
    if found != "folder":
        what = "there is no such folder" if found is None else "that is a file"
        raise RejectedError(
            f"remote folder {path}: {what} at the site. Create it there, or correct remote_folder of the destination "
            "(a space in it is written with a backslash); create_remote_folder: true makes it"
        )


def make_folders(session: Session, base: str, path: str, asked_by: str = "the file name's template") -> bool:
    """
    Make the folders between an existing one and a path below it.

    :param session: an open session
    :param base: the existing folder
    :param path: the folder that is needed
    :param asked_by: what asks for it, for the error
    :return: whether it was missing
    :raises RejectedError: if a file is in the way, or the right is lacking
    """
    missing: list[str] = []
    while path.rstrip("/") != base.rstrip("/"):
        match kind(session, path):
            case "folder":
                break
            case "file":
                raise RejectedError(f"{path} at the site is a file, but {asked_by} needs a folder there")
        missing.append(path)
        path = posixpath.dirname(path)
    for folder in reversed(missing):
        try:
            with site_errors(f"cannot create the folder {folder}"):
                session.mkdir(folder)
        except TransientError as error:
            # Another delivery may have made it at the same moment.
            if isinstance(error, ConnectionLostError) or kind(session, folder) != "folder":
                raise
    return bool(missing)


def remove_if_there(session: Session, path: str) -> None:
    """Remove a file; fine if there is none."""
    with site_errors(f"cannot remove {path}"), suppress(FileNotFoundError):
        session.remove(path)


def size_of(session: Session, path: str) -> int | None:
    """Give a file's size; None if it is not there."""
    with site_errors(f"cannot look at {path}"), suppress(FileNotFoundError):
        return session.stat(path).st_size
    return None


def require_size(session: Session, path: str, size: int) -> None:
    """
    Check that a file which stands at the site is whole.

    :raises RejectedError: if it is gone
    :raises TransientError: if its size differs
    """
    with site_errors(f"cannot look at {path}"):
        found = session.stat(path).st_size
    if found != size:
        raise TransientError(f"{path}: expected {size:,} bytes at the site, found {found:,}")


def require_arrived(session: Session, path: str, size: int) -> None:
    """
    Check that a file arrived whole under its temporary name: a server's success at the close proves nothing.

    :raises TransientError: if it is gone, or its size differs
    """
    found = size_of(session, path)
    if found is None:
        raise TransientError(
            f"{path}: expected {size:,} bytes at the site, found no file. A site that takes files before they have "
            "their final names must leave those alone that end in .part or begin with a dot"
        )
    if found != size:
        raise TransientError(
            f"{path}: expected {size:,} bytes at the site, found {found:,}. The site has not kept what it was sent; "
            "another try sends it anew"
        )


@contextmanager
def opened(session: Session, path: str, mode: str, *, awaited: bool = True) -> Iterator[paramiko.SFTPFile]:
    """
    Open a file at the site.

    :param session: an open session
    :param path: its path
    :param mode: as of :func:`open`, ``rb``, ``wb`` or ``r+b``
    :param awaited: whether to wait until the site has closed it; for what is read, nobody has to
    """
    with site_errors(f"cannot open {path}"):
        file = session.open(path, mode)
    # A request to read may ask for any size: the site gives as much as it likes to.
    file.MAX_REQUEST_SIZE = session.request_size if mode != "rb" else 1 << 18
    try:
        yield file
    except ConnectionLostError:
        # Closing the file would wait once more for a site that is silent.
        session.close()
        raise
    finally:
        # What the site says to this proves nothing; the size does.
        with suppress(OSError, EOFError, paramiko.SSHException):
            file._close(async_=mode == "rb" or not awaited)  # type: ignore[attr-defined]  # noqa: SLF001 - as its __del__
