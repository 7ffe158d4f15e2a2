"""The ``.DONE`` file, which a delivery writes last."""

from __future__ import annotations

import json
import logging
import posixpath
from collections.abc import Callable, Sequence

from persado.errors import PersadoError, RejectedError
from persado.pipeline.site.errors import ConnectionLostError, site_errors
from persado.pipeline.site.files import kind, opened, require_arrived, require_size, size_of
from persado.pipeline.site.reconnect import Connect, reconnecting
from persado.pipeline.site.session import Session
from persado.pipeline.stage.receipt import DeliveredFile
from persado.pipeline.upload.lock import SiteLock
from persado.pipeline.upload.lock_file import files_digest
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.rename import removed_on_error, rename
from persado.pipeline.upload.rules import SiteRules
from persado.pipeline.upload.temporary_names import temporary_path
from persado.pipeline.upload.verify import verify

SEND_FROM_START = "To send the delivery again, clear the task 'extract' (or 'deliver') with all downstream tasks"
SEND_AGAIN = (
    "To send it again, clear the task 'upload' (or 'deliver') with all downstream tasks; if that finds no staged file, "
    "clear 'extract'"
)

_LOG = logging.getLogger(__name__)


def write_success_file(
    connect: Connect,
    files: Sequence[DeliveredFile],
    plan: UploadPlan,
    *,
    content: bytes = b"",
    on_complete: Callable[[], None] = lambda: None,
) -> None:
    """
    Write the ``.DONE`` file, after a last check of every file of the delivery.

    :param connect: opens a session; called again after a lost connection
    :param files: every file of the delivery
    :param plan: where it goes
    :param content: empty, or the :func:`manifest`
    :param on_complete: called when it is in place, before another delivery may replace the files
    :raises RejectedError: if a file is missing, or another delivery has replaced it
    :raises TransientError: if a file's size differs, or the connection fails
    """
    done_path, delivery_id, rules = plan.done_path, plan.delivery_id, plan.rules
    if done_path is None:
        raise TypeError("the plan has no path for the success file")
    lock = SiteLock(files[0].remote_path, delivery_id, rules)
    contents = files_digest((file.remote_path, file.sha256) for file in files)
    temporary = temporary_path(done_path, delivery_id, 0, hidden=rules.quirks.hidden_names)

    def write(session: Session) -> None:
        lock.acquire(session)
        if lock.was_finishing(session, contents) and kind(session, temporary) is None:
            # The receiver may have collected everything; a second .DONE file would make it do so twice.
            _LOG.info("%s was already written, by a try that was cut off right after", done_path)
            on_complete()
            lock.release(session)
            return
        with removed_on_error(session, [temporary], condition=lambda: lock.give_up(session)):
            if rules.quirks.stat_after_rename:
                # If the lock was held all the time, nobody else can have written these files.
                held = lock.placing == contents or not rules.quirks.lock_file
                for file in files:
                    check_in_place(session, file, rules, compare=not held)
                    lock.refresh(session)
            with opened(session, temporary, "wb") as target, site_errors(f"cannot write {temporary}"):
                target.write(content)
            require_arrived(session, temporary, len(content))
            lock.confirm(session, finishing=contents)
            rename(session, temporary, done_path, posix=rules.quirks.posix_rename)
            on_complete()
            lock.release(session)

    reconnecting(connect, write, lambda: None)


def manifest(files: Sequence[DeliveredFile], *, delivery_id: str, key_fingerprint: str | None) -> bytes:
    """
    Return the JSON manifest of a delivery; it contains no data of the rows.

    :param key_fingerprint: the OpenPGP key that the files are encrypted to
    """
    document = {
        "delivery_id": delivery_id,
        "rows": sum(file.rows for file in files),
        "key_fingerprint": key_fingerprint,
        "files": [
            {
                "name": posixpath.basename(file.remote_path),
                "path": file.remote_path,
                "bytes": file.bytes,
                "sha256": file.sha256,
                "rows": file.rows,
            }
            for file in files
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def require_delivered(connect: Connect, files: Sequence[DeliveredFile], rules: SiteRules) -> None:
    """
    Check that the files of a delivery are at the site already, byte by byte.

    :param connect: opens a session; called again after a lost connection
    :param files: every file of the delivery
    :param rules: how to treat the site
    :raises RejectedError: if one is not; the message says what to do
    """

    def check(session: Session) -> None:
        for file in files:
            check_in_place(session, file, rules, compare=True)

    gone = (
        "the staged files are gone (a finished delivery removes them; with several workers, stage_uri must be shared)"
    )
    if not rules.quirks.stat_after_rename:
        raise RejectedError(
            f"{gone}, and with quirks: {{stat_after_rename: false}} the files at the site are not checked. "
            f"{SEND_FROM_START}"
        )
    try:
        reconnecting(connect, check, lambda: None)
    except RejectedError as error:
        raise RejectedError(f"{gone}, and the site does not have them either: {error}") from error


def check_in_place(session: Session, file: DeliveredFile, rules: SiteRules, *, compare: bool) -> None:
    """
    Check that a file is at the site under its final name.

    :param compare: whether to compare its bytes, not only its size
    :raises RejectedError: if it is missing, or its bytes differ
    :raises TransientError: if its size differs and its bytes were not to be compared
    """
    if size_of(session, file.remote_path) is None:
        raise RejectedError(
            f"{file.remote_path}: no such file at the site. If the site collects files as soon as they are renamed, "
            f"set quirks: {{stat_after_rename: false}}. {SEND_FROM_START if compare else SEND_AGAIN}"
        )
    if not compare:
        require_size(session, file.remote_path, file.bytes)
        return
    how = rules.verify if rules.verify != "size" else "server_hash"
    try:
        verify(session, file.remote_path, file.bytes, file.sha256, how)
    except ConnectionLostError:
        raise
    except PersadoError as error:
        raise RejectedError(f"{error}. The file there is not what this delivery sent. {SEND_FROM_START}") from error
