"""Remove what unfinished deliveries have left at the site, by the site's own clock."""

from __future__ import annotations

import logging
import posixpath
import stat
from collections import defaultdict
from collections.abc import Iterable

from persado.errors import PersadoError
from persado.pipeline.site.errors import ConnectionLostError, site_errors
from persado.pipeline.site.files import remove_if_there
from persado.pipeline.site.session import Session
from persado.pipeline.stage.area import ABANDONED_AFTER
from persado.pipeline.upload.temporary_names import delivery_of, is_ours, is_replaced

LOCK_ABANDONED_AFTER = 2 * 24 * 3600
"""Like ABANDONED_AFTER, for locks: they are younger than the files that they describe, and must not outlive them."""

FORGOTTEN_AFTER = 10 * 24 * 3600
"""Age in seconds from which a folder that deliveries no longer use is not checked any more."""
_NEWEST = 3

_LOG = logging.getLogger(__name__)


def sweep(session: Session, folders: Iterable[str], *, now: float, delivery_id: str, keep: Iterable[str]) -> None:
    """
    Remove abandoned temporary files and locks; a failure to do so does not stop the delivery.

    ===========================================  =====================================================================
    left at the site                             removed
    ===========================================  =====================================================================
    another delivery's temporary files           together, when the youngest is old enough: the delivery may be running
    this delivery's, if no longer used           at once
    an older file that was moved aside           when it is old enough, also this delivery's: it may be the only copy
    locks                                        when they are old enough
    ===========================================  =====================================================================

    :param folders: the folders to check
    :param now: the site's time
    :param keep: the paths that this delivery uses
    """
    kept = set(keep)
    for folder in folders:
        try:
            for path in _abandoned(session, folder, now, delivery_id, kept):
                remove_if_there(session, path)
                _LOG.info("removed %s, which an unfinished delivery left", path)
        except ConnectionLostError:
            raise
        except PersadoError as error:
            _LOG.warning("%s. Leftovers of older deliveries there are not removed", error)


def older_folders(session: Session, base: str, folder: str, now: float) -> list[str]:
    """
    Return the folders of earlier days, if file names contain a date: no later delivery checks them.

    :param base: the remote folder of the destination
    :param folder: a new folder below it
    :param now: the site's time
    :return: folders at the same depth below the base, last changed when their content may just have become abandoned
    """
    found = [base]
    for depth in range(posixpath.relpath(folder, base).count("/"), -1, -1):
        below = [entry for path in found for entry in _folders(session, path)]
        if depth:
            # Years or months: those that changed last contain the last days.
            found = [path for _, path in sorted(below)[-_NEWEST:]]
        else:
            found = [path for changed, path in below if ABANDONED_AFTER < now - changed < FORGOTTEN_AFTER]
    return [path for path in found if path != folder]


def _folders(session: Session, path: str) -> list[tuple[float, str]]:
    with site_errors(f"cannot list {path}"):
        return [
            (entry.st_mtime, posixpath.join(path, entry.filename))
            for entry in session.listdir_iter(path)
            if entry.st_mode is not None and stat.S_ISDIR(entry.st_mode) and entry.st_mtime is not None
        ]


def _abandoned(session: Session, folder: str, now: float, own: str, keep: set[str]) -> list[str]:
    gone: list[str] = []
    others: dict[str, list[tuple[str, float]]] = defaultdict(list)
    with site_errors(f"cannot list {folder}"):
        for entry in session.listdir_iter(folder):
            path = posixpath.join(folder, entry.filename)
            if not is_ours(entry.filename) or entry.st_mtime is None or path in keep:
                continue
            age, delivery = now - entry.st_mtime, delivery_of(entry.filename)
            own_leftover = delivery == own and not is_replaced(entry.filename)
            if own_leftover or (delivery is None and age > LOCK_ABANDONED_AFTER):
                gone.append(path)
            elif delivery is not None:
                others[delivery].append((path, age))
    for files in others.values():
        if min(age for _, age in files) > ABANDONED_AFTER:
            gone += [path for path, _ in files]
    return gone
