"""Rename complete files to their final names, which makes them visible to others."""

from __future__ import annotations

import itertools
import logging
import posixpath
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from persado.errors import RejectedError, TransientError
from persado.pipeline.site.files import kind, make_folders, remove_if_there, require_folder, size_of
from persado.pipeline.site.session import Session
from persado.pipeline.upload.lock import SiteLock
from persado.pipeline.upload.lock_file import files_digest
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.rename import rename, taken
from persado.pipeline.upload.sweep import older_folders, sweep
from persado.pipeline.upload.temporary_names import replaced_path

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arrived:
    """
    A file that is complete at the site, under a temporary name.

    :param temporary: its current path
    :param remote_path: its final path
    :param sha256: the SHA-256 of its bytes, lower-case hex
    """

    temporary: str
    remote_path: str
    size: int
    sha256: str


@dataclass
class Publication:
    """
    The final names of a delivery's files, and how many files have theirs. It outlives a lost connection.

    :param first_path: the final path of the first file, from which the name of the lock derives
    :param on_complete: called when all files are renamed, before another delivery may replace them; only if no success
        file follows
    """

    plan: UploadPlan
    first_path: str
    on_complete: Callable[[], None] = lambda: None
    renamed: int = 0
    requested: int = 0
    counted: bool = False
    new_folder: str | None = None
    lock: SiteLock = field(init=False)

    def __post_init__(self) -> None:
        self.lock = SiteLock(self.first_path, self.plan.delivery_id, self.plan.rules)

    def claim(self, session: Session, paths: Iterable[str]) -> None:
        """
        Create missing folders, and lock the final names for this delivery.

        :param paths: the final paths
        :raises RejectedError: if a folder is missing, or another delivery is busy and ``if_busy`` is ``fail``
        :raises TransientError: if another delivery is busy for too long
        """
        if self.plan.rules.create_remote_folder:
            make_folders(session, "/", self.plan.remote_folder, "remote_folder")
        require_folder(session, self.plan.remote_folder)
        for folder in _folders(paths):
            if make_folders(session, self.plan.remote_folder, folder):
                self.new_folder = folder
        self.lock.acquire(session)

    def clean_up(self, session: Session, paths: Iterable[str], keep: Iterable[str] = ()) -> None:
        """
        Remove what earlier deliveries, and earlier tries of this one, left in the folders.

        :param paths: the final paths
        :param keep: the temporary paths that are still used
        """
        now = self.lock.now(session)
        if now is not None:
            folders = _folders(paths)
            if self.new_folder is not None:
                with suppress(RejectedError):
                    folders += older_folders(session, self.plan.remote_folder, self.new_folder, now)
                self.new_folder = None
            kept = [self.lock.path, *keep]
            sweep(session, folders, now=now, delivery_id=self.plan.delivery_id, keep=kept)

    def check_names(self, session: Session, paths: Iterable[str]) -> None:
        """
        Check before the first byte is sent that the final names can be used.

        :param paths: the final paths
        :raises RejectedError: if a name is taken
        """
        for path in paths:
            found = kind(session, path)
            if found == "folder":
                raise RejectedError(f"{path} at the site is a folder; a file cannot take its place")
            if found == "file" and not self._may_replace:
                raise taken(path)
        if self.plan.done_path is not None and kind(session, self.plan.done_path) == "folder":
            raise RejectedError(
                f"{self.plan.done_path} at the site is a folder; the success file cannot take its place"
            )

    def count_in_place(self, session: Session, files: Sequence[Arrived]) -> int:
        """
        Count the files that an earlier try of this delivery has renamed; they stay as they are.

        :param files: all files of the delivery, whether they have arrived or not
        """
        placed = files[: self.lock.placed] if self.lock.placing == _digest(files) else ()
        self.renamed = sum(1 for _ in itertools.takewhile(partial(self._is_in_place, session), placed))
        for file in files[: self.renamed]:
            remove_if_there(session, replaced_path(file.temporary, file.remote_path))
        self.counted = True
        return self.renamed

    def _is_in_place(self, session: Session, file: Arrived) -> bool:
        # The killed try had begun to rename, so all files were complete: a missing temporary file was renamed.
        if self.lock.placed is None and size_of(session, file.temporary) is not None:
            return False
        return not self.plan.rules.quirks.stat_after_rename or size_of(session, file.remote_path) == file.size

    def advance(self, session: Session, files: Sequence[Arrived]) -> None:
        """
        Rename the files that do not have their final names yet.

        :param files: all files of the delivery, in order
        :raises TakenOverError: if the lock was lost
        """
        self.lock.acquire(session, placing=_digest(files))
        if self.plan.done_path is not None:
            # Do this with each connection: it may lead to another server of the site.
            remove_if_there(session, self.plan.done_path)
        while self.renamed < len(files):
            self._rename(session, files[self.renamed])
            self.renamed += 1
            self.lock.refresh(session)
        self._remove_further_parts(session, len(files))
        if self.plan.done_path is None or not self.plan.done_follows:
            self.on_complete()
            self.lock.release(session)

    def _remove_further_parts(self, session: Session, parts: int) -> None:
        if self.plan.part_path is None:
            return
        for number in itertools.count(parts + 1):
            path = self.plan.part_path(number)
            if kind(session, path) != "file":
                return
            if not self._may_replace:
                raise taken(path)
            remove_if_there(session, path)
            _LOG.info("removed %s, a part of an earlier delivery that had more parts", path)

    def give_up(self, session: Session) -> bool:
        """Let other deliveries go first after a failure; return whether the temporary files may be removed."""
        return self.lock.give_up(session, self.renamed if self.counted or self.lock.begun_to_place else None)

    @property
    def _may_replace(self) -> bool:
        # If an earlier try found the names free, the files there are this delivery's own.
        return self.plan.rules.if_exists == "replace" or bool(self.lock.placed_before)

    def _rename(self, session: Session, file: Arrived) -> None:
        requested_before, self.requested = self.requested > self.renamed, self.renamed + 1
        quirks = self.plan.rules.quirks
        try:
            rename(session, file.temporary, file.remote_path, replace=self._may_replace, posix=quirks.posix_rename)
        except RejectedError as error:
            if kind(session, file.temporary) is not None:
                raise
            # An earlier request may have succeeded although its response was lost.
            arrived = not quirks.stat_after_rename or size_of(session, file.remote_path) == file.size
            if not requested_before or not arrived:
                raise TransientError(
                    f"{file.temporary} disappeared from the site before it was renamed to {file.remote_path}"
                ) from error


def _folders(paths: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(posixpath.dirname(path) for path in paths))


def _digest(files: Sequence[Arrived]) -> str:
    return files_digest((file.remote_path, file.sha256) for file in files)
