"""The site's clock."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

from persado.pipeline.site.errors import site_errors
from persado.pipeline.site.files import opened, remove_if_there
from persado.pipeline.site.session import Session


@dataclass
class SiteClock:
    """The site's clock, read from the modification time of a file that is written for this."""

    probe: str
    ahead: float | None = None
    changed: float | None = None
    watched: float = 0.0

    def age(self, session: Session, path: str) -> float | None:
        """Return how long ago a file was changed; None if unknown."""
        if self.ahead is None:
            now = fresh_mtime(session, self.probe)
            if now is None:
                return None
            self.ahead = now - time.monotonic()
        with site_errors(f"cannot access {path}"), suppress(FileNotFoundError):
            changed, now = session.stat(path).st_mtime, time.monotonic()
            if changed is None:
                return None
            if changed != self.changed:
                self.changed, self.watched = changed, now
            # If the clock was set back, the file may look new for long: count how long it has not changed, too.
            return max(now + self.ahead - changed, now - self.watched)
        return None


def fresh_mtime(session: Session, path: str) -> float | None:
    with opened(session, path, "wb"):
        pass
    with site_errors(f"cannot access {path}"):
        found = session.stat(path).st_mtime
    remove_if_there(session, path)
    return found
