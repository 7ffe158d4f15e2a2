"""
A lock at the site: one delivery at a time writes a name, from whichever Airflow it comes.

A hidden lock file beside the first file of a delivery names the delivery, and the try of it, that may write there. The
file outlives a killed worker: the next try of the same delivery takes the lock over at once, and reads whether the
killed try had begun to rename files. Another delivery waits until the lock is released, or has not been refreshed for a
while by the site's own clock.
"""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace

from persado.errors import PersadoError, RejectedError, TransientError
from persado.pipeline.site.errors import ConnectionLostError, site_errors
from persado.pipeline.site.files import kind, opened, remove_if_there
from persado.pipeline.site.session import Session
from persado.pipeline.upload.lock_file import LENGTH, Holder, TakenOverError
from persado.pipeline.upload.rules import SiteRules
from persado.pipeline.upload.site_clock import SiteClock, fresh_mtime
from persado.pipeline.upload.temporary_names import lock_path, temporary_path

REFRESH = 60.0

STALE = 900.0
"""Seconds without a refresh after which the holder of a lock counts as dead."""

STALE_EMPTY = 10.0
"""The same for an empty lock file, which is written right after it is created. A holder that stalls longer finds out
before it renames."""

LONGEST_WAIT = 3600.0
POLL = 5.0
_LOG = logging.getLogger(__name__)


@dataclass
class SiteLock:
    """
    The lock of a delivery's names.

    :param remote_path: the final path of the first file
    """

    remote_path: str
    delivery_id: str
    rules: SiteRules
    _me: Holder = field(init=False)
    placed_before: bool = field(default=False, init=False)
    """Whether an earlier try of this delivery found the names free and began to rename files."""
    begun_to_place: bool = field(default=False, init=False)
    """Whether this try has begun to rename files."""
    _held: bool = field(default=False, init=False)
    _creating: bool = field(default=False, init=False)
    _refreshed: float = field(default=0.0, init=False)
    _logged: float = field(default=-REFRESH, init=False)

    def __post_init__(self) -> None:
        self._me = Holder(self.delivery_id, secrets.token_hex(8))

    @property
    def path(self) -> str:
        """The path of the lock file."""
        return lock_path(self.remote_path, hidden=self.rules.quirks.hidden_names)

    @property
    def placing(self) -> str:
        """The digest of the files that this delivery has begun to rename, in this try or an earlier one."""
        return self._me.placing

    @property
    def placed(self) -> int | None:
        """How many of them have their final names; None if a try was killed before it recorded the number."""
        return self._me.placed

    def acquire(self, session: Session, *, placing: str = "") -> None:
        """
        Acquire the lock; if it is held already, refresh it when that is due.

        :param placing: the digest of the files, if they are renamed from now on
        :raises RejectedError: if another delivery holds the lock and ``if_busy`` is ``fail``
        :raises TakenOverError: if another try of this delivery has taken the lock over
        :raises TransientError: if another delivery holds the lock for too long
        """
        if not self.rules.quirks.lock_file:
            return
        if self._held and not placing:
            self.refresh(session)
            return
        if self.begun_to_place:
            self.confirm(session)
            return
        if not (self._held and self._is_mine(session)):
            self._get(session)
        if placing:
            self.begun_to_place = True
            self._me = replace(self._me, placing=placing, placed=None, finishing=False)
            self._write(session)

    def confirm(self, session: Session, *, finishing: str = "") -> None:
        """
        Check that the lock has been held all the time, and refresh it.

        :param finishing: the digest of the files, if the success file is renamed from now on
        :raises TakenOverError: if it has not
        """
        if not self.rules.quirks.lock_file:
            return
        if not (self._held and self._is_mine(session)):
            raise self._taken_over("another delivery")
        if finishing:
            self._me = replace(self._me, placing=finishing, placed=None, finishing=True)
        self._write(session)

    def was_finishing(self, session: Session, files: str) -> bool:
        """
        Return whether a try of this delivery was about to rename the success file.

        :param files: the digest of the files
        """
        # Read the lock again: the session may lead to another server of the site than before.
        holder = self._read(session) if self._held else None
        return (
            holder is not None and holder.finishing and (holder.delivery, holder.placing) == (self.delivery_id, files)
        )

    def check_same_try(self, session: Session) -> None:
        """
        Check after a lost connection that no other try of this delivery has begun.

        :raises TakenOverError: if one has
        """
        if self._held:
            self._is_mine(session)

    def refresh(self, session: Session) -> None:
        """
        Refresh the lock if that is due.

        :raises TakenOverError: if it was lost after files began to be renamed; before that, a later check reports it
        """
        if self._held and time.monotonic() - self._refreshed > REFRESH:
            self._refreshed = time.monotonic()
            if self._is_mine(session):
                self._write(session)
            elif self.begun_to_place:
                raise self._taken_over("another delivery")

    def now(self, session: Session) -> float | None:
        """Return the site's time, as the modification time of a file."""
        if self._held:
            with site_errors(f"cannot access {self.path}"), suppress(FileNotFoundError):
                return session.stat(self.path).st_mtime
            return None
        path = temporary_path(self.remote_path, self.delivery_id, 0, hidden=self.rules.quirks.hidden_names)
        return fresh_mtime(session, path)

    def release(self, session: Session) -> None:
        """Release the lock, if this try still holds it."""
        if self._held:
            self._held = False
            holder = self._read(session)
            if holder is not None and holder.attempt == self._me.attempt:
                remove_if_there(session, self.path)

    def give_up(self, session: Session, placed: int | None = None) -> bool:
        """
        Let other deliveries go first after a failure, if the connection still works.

        :param placed: how many files have their final names; None if the number has not changed
        :return: whether the files under temporary names may be removed
        """
        if not self._held:
            return True
        finishing = self._me.finishing
        try:
            if not self._is_mine(session):
                return True
            if placed == 0 or not self._me.placing:
                remove_if_there(session, self.path)
            else:
                # Leave the lock file: it records which files at the site are this delivery's own.
                placed = self._me.placed if placed is None else placed
                self._me = replace(self._me, placed=placed, given_up=True, finishing=False)
                self._write(session)
        except PersadoError as error:
            # While the lock file says `finishing`, a missing temporary success file means that it was renamed.
            return not (finishing or isinstance(error, TakenOverError))
        finally:
            self._held = False
        return True

    def _get(self, session: Session) -> None:
        clock = SiteClock(temporary_path(self.remote_path, self.delivery_id, 0, hidden=self.rules.quirks.hidden_names))
        end = time.monotonic() + LONGEST_WAIT
        while not self._create(session):
            holder = self._read(session)
            own = holder is not None and holder.delivery == self.delivery_id
            if own and self._held:
                raise self._taken_over("another try of this delivery")
            if holder is not None and (own or (self._creating and not holder.delivery)):
                # Take over what the earlier try recorded, so that it survives this try as well.
                self._me = replace(self._me, placing=holder.placing, placed=holder.placed, finishing=holder.finishing)
                self.placed_before = bool(holder.placing)
                self._write(session)
                break
            if holder is not None and not holder.given_up:
                age = clock.age(session, self.path)
                if age is None or age < (STALE if holder.delivery else STALE_EMPTY):
                    self._wait(holder, age, end)
                    continue
                _LOG.warning("%s: removing this lock, which was last refreshed %.0f minutes ago", self.path, age / 60)
            remove_if_there(session, self.path)
        self._held = True

    def _is_mine(self, session: Session) -> bool:
        holder = self._read(session)
        if holder is None:
            # The lock file was removed: create it again, unless another delivery has been faster.
            return self._create(session)
        if holder.attempt != self._me.attempt and holder.delivery == self.delivery_id:
            raise self._taken_over("another try of this delivery")
        return holder.attempt in (self._me.attempt, "")

    def _taken_over(self, whose: str) -> TakenOverError:
        return TakenOverError(f"{self.remote_path}: {whose} has begun to write the same names; this try has stopped")

    def _create(self, session: Session) -> bool:
        for _ in range(3):
            created, before = False, self._creating
            try:
                # If the connection is lost before the content is written, an empty lock file is this try's own.
                self._creating = True
                with opened(session, self.path, "wx", awaited=False) as file, site_errors(f"cannot write {self.path}"):
                    created = True
                    file.write(self._me.serialize())
            except ConnectionLostError:
                raise
            except PersadoError as error:
                if created:
                    remove_if_there(session, self.path)
                if created or isinstance(error, RejectedError):
                    raise
                self._creating = before
                if kind(session, self.path) is not None:
                    return False
            else:
                self._creating, self._refreshed = False, time.monotonic()
                return True
        raise TransientError(
            f"cannot create the lock file {self.path}. If the site refuses such files, see the quirks hidden_names and "
            "lock_file"
        )

    def _read(self, session: Session) -> Holder | None:
        try:
            with opened(session, self.path, "rb") as file, site_errors(f"cannot read {self.path}"):
                return Holder.parse(file.read(LENGTH))
        except RejectedError:
            # The lock file is gone, or may be written but not read.
            return Holder() if kind(session, self.path) is not None else None

    def _write(self, session: Session) -> None:
        with opened(session, self.path, "r+b", awaited=False) as file, site_errors(f"cannot write {self.path}"):
            file.write(self._me.serialize())
        self._refreshed = time.monotonic()

    def _wait(self, holder: Holder, age: float | None, end: float) -> None:
        whose = f"delivery {holder.delivery}" if holder.delivery else "another delivery"
        if self.rules.if_busy == "fail":
            raise RejectedError(
                f"{self.remote_path}: {whose} is writing the same names, and if_busy is 'fail'. Run this delivery "
                "again when that one has ended, or set if_busy: wait"
            )
        if time.monotonic() > end:
            raise TransientError(f"{self.remote_path}: {whose} is still writing the same names ({self.path})")
        if time.monotonic() - self._logged >= REFRESH:
            self._logged = time.monotonic()
            since = "" if age is None else f" (lock refreshed {age:.0f} s ago)"
            _LOG.info("%s: waiting for %s, which is writing the same names%s", self.remote_path, whose, since)
        time.sleep(POLL)
