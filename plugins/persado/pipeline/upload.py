"""
Put files at the site so that nobody ever sees half of one.

All bytes go to hidden temporary names that carry the delivery's id; only when every file is there in its exact
size does a stale ``.DONE`` go, and then the files get their final names.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from typing import BinaryIO, Literal

import paramiko

from persado.errors import RejectedError
from persado.pipeline.remote_files import (
    kind,
    make_folders,
    opened,
    remove_if_there,
    removed_on_error,
    rename,
    require_folder,
    require_size,
    taken,
)
from persado.pipeline.site import Session
from persado.pipeline.site_errors import site_errors

IfExists = Literal["replace", "fail"]
BLOCK = 1 << 20
UNANSWERED = 8 * BLOCK


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
    session: Session,
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

    :param session: an open session
    :param files: what to send, in order
    :param delivery_id: what marks this delivery's temporary names
    :param remote_folder: the folder of the destination, which must exist; folders below it are made
    :param done_path: the path of the success file that will follow: a stale one is removed before the first
        final name appears
    :param if_exists: what to do where a final name is taken already
    :param on_bytes: told the size of every block that was sent
    :raises RejectedError: where a folder is missing, a right is lacking, or a name is taken and must not be
    :raises TransientError: where the connection or the site fails; the next try sends everything again
    """
    require_folder(session, remote_folder)
    for folder in dict.fromkeys(posixpath.dirname(file.remote_path) for file in files):
        make_folders(session, remote_folder, folder)
    for file in files:
        _require_free(session, file.remote_path, if_exists)
    temporary = [temporary_path(file.remote_path, delivery_id, number) for number, file in enumerate(files, 1)]
    with removed_on_error(session, temporary):
        for file, path in zip(files, temporary, strict=True):
            _send(session, file, path, on_bytes)
        if done_path is not None:
            remove_if_there(session, done_path)
        for file, path in zip(files, temporary, strict=True):
            rename(session, path, file.remote_path, replace=if_exists == "replace")


def temporary_path(remote_path: str, delivery_id: str, number: int) -> str:
    """Give the hidden name beside the final one under which a file arrives; short, whatever the final name is."""
    return posixpath.join(posixpath.dirname(remote_path), f".persado-{delivery_id}-{number:07d}.part")


def _require_free(session: Session, path: str, if_exists: IfExists) -> None:
    found = kind(session, path)
    if found == "folder":
        raise RejectedError(f"{path} at the site is a folder; a file of that name cannot be put there")
    if found == "file" and if_exists == "fail":
        raise taken(path)


def _send(session: Session, file: Upload, path: str, on_bytes: Callable[[int], None]) -> None:
    failed = f"the upload of {file.remote_path} failed"
    with file.open() as source, opened(session, path, "wb") as target:
        sent = 0
        for block, following in pairwise(chain(iter(partial(source.read, BLOCK), b""), (b"",))):
            sent += len(block)
            with site_errors(failed):
                _write(target, block, wait=not following or sent % UNANSWERED < len(block))
            on_bytes(len(block))
    require_size(session, path, file.size)


def _write(target: paramiko.SFTPFile, block: bytes, *, wait: bool) -> None:
    """Write a block; to wait for the site's answers to it and all before it brings out what went wrong there."""
    # paramiko looks at the answers to pipelined requests when it sends one that is not pipelined.
    pipelined = max(len(block) - target.MAX_REQUEST_SIZE, 0) if wait else len(block)
    target.set_pipelined(True)
    target.write(block[:pipelined])
    if wait:
        target.set_pipelined(False)
        target.write(block[pipelined:])
