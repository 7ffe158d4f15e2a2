"""Expectations of tests with a site: a clear error in time, and no threads or open files left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from persado.errors import PersadoError
from persado.pipeline.site import connect as site
from persado.pipeline.site import reconnect
from persado.pipeline.upload import lock as site_lock
from support.sites.sftp_server import PASS_PHRASE

WRONG = "not the pass phrase"


@contextmanager
def fails(kind: type[PersadoError] | tuple[type[PersadoError], ...], *texts: str, within: float = 30) -> Iterator[None]:
    """Expect an error of a class that contains these texts and no passphrase, in time."""
    begin = time.monotonic()
    with pytest.raises(PersadoError) as caught:
        yield
    assert time.monotonic() - begin < within
    assert isinstance(caught.value, kind), repr(caught.value)
    for text in texts:
        assert text in str(caught.value)
    assert PASS_PHRASE not in str(caught.value)
    assert WRONG not in str(caught.value)


@pytest.fixture
def nothing_left_behind() -> Iterator[None]:
    """
    Check that a test ends with no more threads and open files than it began with.

    There may be fewer: an Airflow that earlier tests ran in this process may stop idle threads at any time.
    """
    files, threads = _open_files(), set(threading.enumerate())
    yield
    end = time.monotonic() + 30
    while (_open_files() > files or set(threading.enumerate()) - threads) and time.monotonic() < end:
        time.sleep(0.02)
    assert _open_files() <= files
    assert not set(threading.enumerate()) - threads


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses before retries."""
    for module in (reconnect, site):
        monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(site_lock, "POLL", 0.05)
    monkeypatch.setattr(site_lock, "LONGEST_WAIT", 5.0)
    monkeypatch.setattr(site_lock, "STALE_EMPTY", 1.0)
