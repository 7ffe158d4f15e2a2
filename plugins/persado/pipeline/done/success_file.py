"""The ``.DONE`` file: the last thing that a delivery writes."""

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

SEND_ANEW = "To send the delivery anew, clear the task 'extract' (or 'deliver') with all downstream tasks"
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
    Write the ``.DONE``, after a last look at every file that it vouches for.

    :param connect: opens a session; used again where a connection is lost
    :param files: every file of the delivery
    :param plan: where it goes
    :param content: what it holds: nothing, or the :func:`manifest`
    :param on_complete: called when it is in place, before another delivery may replace the files
    :raises RejectedError: if a file is gone, or is another one's by now
    :raises TransientError: if a file has another size, or the connection fails
    """
    done_path, delivery_id, rules = plan.done_path, plan.delivery_id, plan.rules
    if done_path is None:
        raise TypeError("the plan has no path for the success file")
    lock = SiteLock(files[0].remote_path, delivery_id, rules)
    contents = files_digest((file.remote_path, file.sha256) for file in files)
    temporary = temporary_path(done_path, delivery_id, 0, hidden=rules.quirks.hidden_names)

    def write(session: Session) -> None:
        lock.acquire(session)
        if lock.finishing(session, contents) and kind(session, temporary) is None:
            # The receiver may have taken it and the files by now; a second one would have them taken twice.
            _LOG.info("%s was put in place already, by a try that was cut off right after", done_path)
            on_complete()
            lock.release(session)
            return
        with removed_on_error(session, [temporary], if_true=lambda: lock.give_up(session)):
            if rules.quirks.stat_after_rename:
                # Where the names were this delivery's all the time, nobody else can have written there.
                held = lock.placing == contents or not rules.quirks.lock_file
                for file in files:
                    look(session, file, rules, thoroughly=not held)
                    lock.keep(session)
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
    Say in JSON what was delivered; no value of a row is in it.

    :param files: every file of the delivery
    :param delivery_id: the delivery
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

    :param connect: opens a session; used again where a connection is lost
    :param files: every file of the delivery
    :param rules: how the site is to be treated
    :raises RejectedError: if one is not, with what to do
    """

    def check(session: Session) -> None:
        for file in files:
            look(session, file, rules, thoroughly=True)

    gone = (
        "the staged files are gone (a delivery that is done removes them; on several workers stage_uri must be shared)"
    )
    if not rules.quirks.stat_after_rename:
        raise RejectedError(
            f"{gone}, and this site takes files away, so that nobody can tell whether they were delivered. {SEND_ANEW}"
        )
    try:
        reconnecting(connect, check, lambda: None)
    except RejectedError as error:
        raise RejectedError(f"{gone}, and the site does not have them either: {error}") from error


def look(session: Session, file: DeliveredFile, rules: SiteRules, *, thoroughly: bool) -> None:
    """
    Check that a file stands at the site under its final name.

    :param session: an open session
    :param file: the file
    :param rules: how the site is to be treated
    :param thoroughly: whether its bytes are compared too, and not the size alone
    :raises RejectedError: if it is gone, or holds something else
    :raises TransientError: if it has another size and its bytes were not to be compared
    """
    if size_of(session, file.remote_path) is None:
        raise RejectedError(
            f"{file.remote_path}: no such file at the site. If it takes files as soon as they have their names, set "
            f"quirks: {{stat_after_rename: false}}. {SEND_ANEW if thoroughly else SEND_AGAIN}"
        )
    if not thoroughly:
        require_size(session, file.remote_path, file.bytes)
        return
    how = rules.verify if rules.verify != "size" else "server_hash"
    try:
        verify(session, file.remote_path, file.bytes, file.sha256, how)
    except ConnectionLostError:
        raise
    except PersadoError as error:
        raise RejectedError(f"{error}. What is there is not what this delivery has sent. {SEND_ANEW}") from error
