"""Remove what deliveries that never ended have left at the site, by the site's own clock."""

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
"""The same for locks, which are younger than the files that they tell about, and must not outlive them."""

FORGOTTEN_AFTER = 10 * 24 * 3600
"""The age in seconds from which on a folder that deliveries no longer use is not looked at any more."""
_NEWEST = 3

_LOG = logging.getLogger(__name__)


def sweep(session: Session, folders: Iterable[str], *, now: float, delivery_id: str, keep: Iterable[str]) -> None:
    """
    Remove abandoned temporary files and locks. That it cannot be done stops no delivery.

    A delivery's files are removed together, when the youngest of them is old enough: one that is still being
    written keeps the others. Of this delivery's own, what no longer belongs to it goes at once; only an older file that
    was moved aside, and may be the only one there is, waits as well.

    :param session: an open session
    :param folders: where to look
    :param now: the site's time
    :param delivery_id: this delivery
    :param keep: the paths that this delivery uses
    """
    kept = set(keep)
    for folder in folders:
        try:
            for path in _abandoned(session, folder, now, delivery_id, kept):
                remove_if_there(session, path)
                _LOG.info("%s was left by a delivery that never ended; it is removed", path)
        except ConnectionLostError:
            raise
        except PersadoError as error:
            _LOG.warning("%s. What older deliveries may have left there is not tidied up", error)


def older_folders(session: Session, base: str, folder: str, now: float) -> list[str]:
    """
    Find the folders of earlier days that a dated file name has led to: nobody else would tidy them up.

    :param session: an open session
    :param base: the remote folder of the destination
    :param folder: a folder below it that is new
    :param now: the site's time
    :return: folders as deep below the base, last changed when what is in them may just have been abandoned
    """
    found = [base]
    for depth in range(posixpath.relpath(folder, base).count("/"), -1, -1):
        below = [entry for path in found for entry in _folders(session, path)]
        if depth:
            # A year, a month: the one that was changed last holds the last days.
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
