"""
Put files at the site so that nobody ever sees half of one.

All bytes go to hidden temporary names that carry the delivery's id; only when every file is there in its exact
size does a stale ``.DONE`` go, and then the files get their final names.
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Literal

import paramiko

from persado.errors import RejectedError, TransientError
from persado.pipeline.site_errors import site_errors

IfExists = Literal["replace", "fail"]
BLOCK = 1 << 20


@dataclass(frozen=True)
class Upload:
    """
    One file to send.

    :param remote_path: its final, absolute path at the site
    :param size: its exact size in bytes
    :param open: opens its bytes for reading
    """

    remote_path: str
    size: int
    open: Callable[[], BinaryIO]


def upload(
    sftp: paramiko.SFTPClient,
    files: Sequence[Upload],
    *,
    delivery_id: str,
    remote_folder: str,
    done_path: str | None,
    if_exists: IfExists = "replace",
    on_bytes: Callable[[int], None] = lambda count: None,
) -> None:
    """
    Send the files of one delivery; afterwards each stands under its final name, complete.

    :param sftp: an open session
    :param files: what to send, in order
    :param delivery_id: what marks this delivery's temporary names
    :param remote_folder: the folder of the destination, which must exist; folders below it are made
    :param done_path: the path of the success file that will follow: a stale one is removed before the first
        final name appears
    :param if_exists: what to do where a final name is taken already
    :param on_bytes: told the size of every block that was sent
    :raises RejectedError: where a folder is missing, a right is lacking, or a name is taken and must not be
    :raises TransientError: where the connection or the site fails; no final name was touched then, unless the
        message says so
    """
    require_folder(sftp, remote_folder)
    temporary = [temporary_path(file.remote_path, delivery_id, number) for number, file in enumerate(files, 1)]
    for file in files:
        _refuse_taken(sftp, file.remote_path, if_exists)
        make_folders(sftp, remote_folder, posixpath.dirname(file.remote_path))
    try:
        for file, path in zip(files, temporary, strict=True):
            _send(sftp, file, path, on_bytes)
    except BaseException:
        for path in temporary:
            with suppress(OSError, EOFError, paramiko.SSHException):
                sftp.remove(path)
        raise
    if done_path is not None:
        remove_if_there(sftp, done_path)
    for file, path in zip(files, temporary, strict=True):
        rename(sftp, path, file.remote_path, delivery_id)


def temporary_path(remote_path: str, delivery_id: str, number: int) -> str:
    """Give the hidden name beside the final one under which a file arrives; short, whatever the final name is."""
    return posixpath.join(posixpath.dirname(remote_path), f".persado-{delivery_id}-{number:07d}.part")


def exists(sftp: paramiko.SFTPClient, path: str) -> bool:
    """Tell whether there is something under a path; a missing right is an error, not a no."""
    with site_errors(f"cannot look at {path}"):
        try:
            sftp.stat(path)
        except FileNotFoundError:
            return False
    return True


def remove_if_there(sftp: paramiko.SFTPClient, path: str) -> None:
    """Remove a file; fine if there is none."""
    with site_errors(f"cannot remove {path}"), suppress(FileNotFoundError):
        sftp.remove(path)


def require_folder(sftp: paramiko.SFTPClient, path: str) -> None:
    """
    Check that a folder is there.

    :raises RejectedError: if it is missing or no folder
    """
    with site_errors(f"cannot look at the remote folder {path}"):
        try:
            mode = sftp.stat(path).st_mode
        except FileNotFoundError:
            mode = None
        else:
            if mode is None or stat.S_ISDIR(mode):
                return
    what = "there is no such folder" if mode is None else "that is a file"
    raise RejectedError(
        f"remote folder {path}: {what} at the site. Create it there, or correct remote_folder of the destination "
        "(a space in it is written with a backslash)"
    )


def make_folders(sftp: paramiko.SFTPClient, base: str, path: str) -> None:
    """Make the folders between an existing one and a path below it, which a file name's template asked for."""
    missing: list[str] = []
    while path.rstrip("/") != base.rstrip("/") and not exists(sftp, path):
        missing.append(path)
        path = posixpath.dirname(path)
    for folder in reversed(missing):
        with site_errors(f"cannot create the folder {folder}"):
            sftp.mkdir(folder)


def rename(sftp: paramiko.SFTPClient, old: str, new: str, delivery_id: str) -> None:
    """
    Give a complete file its final name, in one step where the server can.

    Without ``posix-rename`` an older file of the name is moved aside first, and removed only when the new one
    is in place.
    """
    with site_errors(f"cannot rename {old} to {new}"):
        try:
            sftp.posix_rename(old, new)
        except (FileNotFoundError, PermissionError, TimeoutError, EOFError):
            raise
        except OSError as error:
            if error.errno is not None:  # the connection failed; a server's own "unsupported" has no number
                raise
        else:
            return
    aside = posixpath.join(posixpath.dirname(new), f".persado-{delivery_id}-replaced.part")
    with site_errors(f"cannot rename {old} to {new}"):
        if not exists(sftp, new):
            sftp.rename(old, new)
            return
        sftp.rename(new, aside)
        try:
            sftp.rename(old, new)
        except OSError:
            sftp.rename(aside, new)
            raise
        sftp.remove(aside)


def require_size(sftp: paramiko.SFTPClient, path: str, size: int) -> None:
    """
    Check that a file arrived whole: a server's success at the close proves nothing.

    :raises TransientError: if its size differs
    """
    with site_errors(f"cannot look at {path}"):
        found = sftp.stat(path).st_size
    if found != size:
        raise TransientError(
            f"{path}: expected {size} bytes at the site, found {found}; it was not given its final name"
        )


def _refuse_taken(sftp: paramiko.SFTPClient, path: str, if_exists: IfExists) -> None:
    if if_exists == "fail" and exists(sftp, path):
        raise RejectedError(
            f"{path} is at the site already and if_exists is 'fail'. Nothing was sent. Remove or rename that file, or "
            "set if_exists: replace"
        )


def _send(sftp: paramiko.SFTPClient, file: Upload, path: str, on_bytes: Callable[[int], None]) -> None:
    failed = f"the upload of {file.remote_path} failed"
    with file.open() as source, site_errors(failed), sftp.open(path, "wb") as target:
        target.set_pipelined(True)
        while block := source.read(BLOCK):
            target.write(block)
            on_bytes(len(block))
    require_size(sftp, path, file.size)
