"""
One delivery at a time for a name at the site, whichever Airflow it comes from.

A hidden lock file beside the first file of a delivery says which delivery, and which try of it, may write there.
What stands in it outlives a killed worker: the next try of the same delivery takes its own lock over at once and
learns whether the killed one had begun to give final names. Another delivery waits until the lock is given up, or
has not been refreshed for a while by the site's own clock.
"""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace

from persado.errors import PersadoError, RejectedError, TransientError
from persado.pipeline.site.errors import ConnectionLostError, TakenOverError, site_errors
from persado.pipeline.site.files import kind, opened, remove_if_there
from persado.pipeline.site.session import Session
from persado.pipeline.upload.lock_file import LENGTH, Holder
from persado.pipeline.upload.rules import SiteRules
from persado.pipeline.upload.site_clock import SiteClock, fresh_mtime
from persado.pipeline.upload.temporary_names import lock_path, temporary_path

REFRESH = 60.0

STALE = 900.0
"""The seconds without a refresh after which the delivery that holds a lock counts as dead."""

STALE_EMPTY = 10.0
"""The same for a lock without content: it is written right after it is created, and whoever is slower than that
notices before it gives a name."""

LONGEST_WAIT = 3600.0
POLL = 5.0
_LOG = logging.getLogger(__name__)


@dataclass
class SiteLock:
    """
    The lock of a delivery's names.

    :param remote_path: the final path of the first file
    :param delivery_id: the delivery
    :param rules: how the site is to be treated
    """

    remote_path: str
    delivery_id: str
    rules: SiteRules
    _me: Holder = field(init=False)
    placed_before: bool = field(default=False, init=False)
    """Whether an earlier try of this delivery has found the names free, and begun to give them."""
    begun_to_place: bool = field(default=False, init=False)
    """Whether this try has begun to."""
    _held: bool = field(default=False, init=False)
    _creating: bool = field(default=False, init=False)
    _refreshed: float = field(default=0.0, init=False)
    _told: float = field(default=-REFRESH, init=False)

    def __post_init__(self) -> None:
        self._me = Holder(self.delivery_id, secrets.token_hex(8))

    @property
    def path(self) -> str:
        """The lock file."""
        return lock_path(self.remote_path, hidden=self.rules.quirks.hidden_names)

    @property
    def placing(self) -> str:
        """What files this delivery has begun to give final names to, in this try or an earlier one."""
        return self._me.placing

    @property
    def placed(self) -> int | None:
        """How many of them have theirs; None where a try was killed and nobody knows."""
        return self._me.placed

    def acquire(self, session: Session, *, placing: str = "") -> None:
        """
        Get hold of the names; where they are held already, refresh the lock if it is time to.

        :param session: an open session
        :param placing: what the files are, when final names are given from now on
        :raises RejectedError: if another delivery holds them and ``if_busy`` is ``fail``
        :raises TakenOverError: if another try of this delivery has taken them in the meantime
        :raises TransientError: if another delivery holds them for too long
        """
        if not self.rules.quirks.lock_file:
            return
        if self._held and not placing:
            self.keep(session)
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
        Make sure that the names have been held all the time, and refresh the lock.

        :param session: an open session
        :param finishing: what the files are, when the success file gets its name from now on
        :raises TakenOverError: if they have not
        """
        if not self.rules.quirks.lock_file:
            return
        if not (self._held and self._is_mine(session)):
            raise self._taken_over("another delivery")
        if finishing:
            self._me = replace(self._me, placing=finishing, placed=None, finishing=True)
        self._write(session)

    def finishing(self, session: Session, files: str) -> bool:
        """
        Tell whether a try of this delivery had got as far as giving the success file its name.

        :param session: an open session
        :param files: what the files are
        """
        # What stands at the site counts: this may be another machine of it than before.
        holder = self._read(session) if self._held else None
        return (
            holder is not None and holder.finishing and (holder.delivery, holder.placing) == (self.delivery_id, files)
        )

    def look(self, session: Session) -> None:
        """
        See after a connection was lost whether another try of this delivery has begun meanwhile.

        :raises TakenOverError: if one has
        """
        if self._held:
            self._is_mine(session)

    def keep(self, session: Session) -> None:
        """Refresh the lock if it is time to; a loss shows when the names are needed."""
        if self._held and time.monotonic() - self._refreshed > REFRESH:
            self._refreshed = time.monotonic()
            if self._is_mine(session):
                self._write(session)
            elif self.begun_to_place:
                raise self._taken_over("another delivery")

    def now(self, session: Session) -> float | None:
        """Tell the site's time, as its files have it."""
        if self._held:
            with site_errors(f"cannot look at {self.path}"), suppress(FileNotFoundError):
                return session.stat(self.path).st_mtime
            return None
        path = temporary_path(self.remote_path, self.delivery_id, 0, hidden=self.rules.quirks.hidden_names)
        return fresh_mtime(session, path)

    def release(self, session: Session) -> None:
        """Let go of the names; whose they are by now does not matter."""
        if self._held:
            self._held = False
            holder = self._read(session)
            if holder is not None and holder.attempt == self._me.attempt:
                remove_if_there(session, self.path)

    def give_up(self, session: Session, placed: int | None = None) -> bool:
        """
        Let others go first after a failure, as long as the connection lives.

        :param session: an open session
        :param placed: how many files have their final names; None for as many as before
        :return: whether what is under temporary names may go
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
                # Only the lock knows which files at the site are this delivery's own.
                placed = self._me.placed if placed is None else placed
                self._me = replace(self._me, placed=placed, given_up=True, finishing=False)
                self._write(session)
        except PersadoError as error:
            # That the success file's temporary name is gone would prove, by a lock that says so still, that it has its
            # final one.
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
                # What an earlier try has put in place stays known, whatever becomes of this one.
                self._me = replace(self._me, placing=holder.placing, placed=holder.placed, finishing=holder.finishing)
                self.placed_before = bool(holder.placing)
                self._write(session)
                break
            if holder is not None and not holder.given_up:
                age = clock.age(session, self.path)
                if age is None or age < (STALE if holder.delivery else STALE_EMPTY):
                    self._wait(holder, age, end)
                    continue
                _LOG.warning("%s: a delivery that ended %.0f minutes ago left it; it is removed", self.path, age / 60)
            remove_if_there(session, self.path)
        self._held = True

    def _is_mine(self, session: Session) -> bool:
        holder = self._read(session)
        if holder is None:
            # Somebody tidied up; that is no reason to stop, if nobody else came.
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
                # Where the connection is lost in the next moment, what is there without content is this try's own.
                self._creating = True
                with opened(session, self.path, "wx", awaited=False) as file, site_errors(f"cannot write {self.path}"):
                    created = True
                    file.write(self._me.write())
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
            f"cannot create the lock file {self.path}. If the site refuses such files, see quirks: hidden_names and "
            "lock_file"
        )

    def _read(self, session: Session) -> Holder | None:
        try:
            with opened(session, self.path, "rb") as file, site_errors(f"cannot read {self.path}"):
                return Holder.read(file.read(LENGTH))
        except RejectedError:
            # It is gone, or may be written and not read.
            return Holder() if kind(session, self.path) is not None else None

    def _write(self, session: Session) -> None:
        with opened(session, self.path, "r+b", awaited=False) as file, site_errors(f"cannot write {self.path}"):
            file.write(self._me.write())
        self._refreshed = time.monotonic()

    def _wait(self, holder: Holder, age: float | None, end: float) -> None:
        whose = f"delivery {holder.delivery}" if holder.delivery else "another delivery"
        if self.rules.if_busy == "fail":
            raise RejectedError(
                f"{self.remote_path}: {whose} is writing the same names, and if_busy is 'fail'. Run this one again "
                "when that has ended, or set if_busy: wait"
            )
        if time.monotonic() > end:
            raise TransientError(f"{self.remote_path}: {whose} is still writing the same names ({self.path})")
        if time.monotonic() - self._told >= REFRESH:
            self._told = time.monotonic()
            since = "" if age is None else f", its last sign of life was {age:.0f} s ago"
            _LOG.info("%s: waiting for %s, which is writing the same names%s", self.remote_path, whose, since)
        time.sleep(POLL)
