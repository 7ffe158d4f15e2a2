"""Workers killed at any moment: the next try completes the delivery, exactly once."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from support.airflow.worker import Worker, spawner
from support.bench import Bench, bench, staged, struck
from support.expect import nothing_left_behind, short_pauses
from support.moments import Moment, measure
from support.sites.proxy import GOOD, Line, Proxy, always, once
from support.sites.sftp_server import SftpServer
from support.sites.sshd import Sshd
from support.streaming import DELIVERY as STREAMED
from support.streaming import ROWS, stream
from support.streaming import settings as stream_settings
from support.watcher import STALE, Watcher

from persado.errors import TransientError
from persado.pipeline.done.success_file import write_success_file
from persado.pipeline.encrypt.home import gnupg_home
from persado.pipeline.site.connect import connect
from persado.pipeline.site.site import Site
from persado.pipeline.stage.receipt import DeliveredFile
from persado.pipeline.upload.plan import UploadPlan

__all__ = ["bench", "nothing_left_behind", "short_pauses", "spawner", "staged"]

pytestmark = pytest.mark.usefixtures("spawner", "nothing_left_behind", "short_pauses")

SHARES = 6
_moments: list[Moment] = []


@pytest.fixture
def moments(bench: Bench) -> Sequence[Moment]:
    """Return every step of the delivery and some bytes between, measured once."""
    if not _moments:
        _moments.extend(
            measure(
                lambda **classes: SftpServer(bench.folder, **classes),
                lambda server, proxy: bench.delivery(server.site(port=proxy.port)),
                anywhere=4,
            )
        )
        # A kill after a read-only request makes no difference.
        _moments[:] = [moment for moment in _moments if not moment.what.startswith(("after stat", "after read"))]
        assert len(_moments) >= 50
    return _moments


def kill_at(moment: Moment, server: SftpServer | Sshd, bench: Bench, **settings: object) -> None:
    """Deliver, kill the worker at a moment, and try again."""
    workers: list[Worker] = []
    with struck(moment), Proxy(server.port) as proxy:
        proxy.lines = moment.once(then=partial(kill, workers))
        delivery = bench.delivery(server.site(port=proxy.port), remote_folder=server.remote("inbox"), **settings)
        with bench.watched():
            workers.append(Worker(delivery.run))
            assert workers[0].outcome().killed
            proxy.lines = always(GOOD)
            delivery.run()
        bench.check_arrived()
        assert not list((delivery.folder / "stage").iterdir())


def kill(workers: list[Worker]) -> None:
    """Kill the only worker, which may not have been recorded yet."""
    while not workers:
        time.sleep(0.001)
    workers[0].kill()


@pytest.mark.parametrize("share", range(SHARES))
def test_a_worker_killed_at_a_step(share: int, moments: Sequence[Moment], bench: Bench) -> None:
    with SftpServer(bench.folder) as server:
        for moment in moments[share::SHARES]:
            kill_at(moment, server, bench)


def test_the_next_try_succeeds_with_if_exists_fail(moments: Sequence[Moment], bench: Bench) -> None:
    with SftpServer(bench.folder) as server:
        for moment in moments:
            if moment.what.startswith(("after remove", "after posix_rename", "before posix_rename")):
                kill_at(moment, server, bench, if_exists="fail")


def test_a_worker_killed_on_openssh(bench: Bench, tmp_path: Path) -> None:
    draw = random.Random(3)
    with Sshd(bench.folder, tmp_path / "sshd") as server:
        for number, most in ((1, 1_540_000), (2, 2_900)):
            for _ in range(4):
                kill_at(Moment("anywhere", number, "up", draw.randrange(most)), server, bench)


def test_a_worker_killed_again_and_again(bench: Bench) -> None:
    draw = random.Random(5)
    with SftpServer(bench.folder) as server, Proxy(server.port) as proxy:
        delivery = bench.delivery(server.site(port=proxy.port))
        with bench.watched():
            for _ in range(6):
                workers: list[Worker] = []
                proxy.lines = always(Line(up=draw.randrange(1, 300_000), then=partial(kill, workers)))
                workers.append(Worker(delivery.run))
                assert workers[0].outcome().killed
            proxy.lines = always(GOOD)
            delivery.run()
        bench.check_arrived()


@pytest.mark.parametrize(("pace", "later_pace"), [(500_000, 5_000_000), (1_500_000, 600_000)])
def test_a_try_that_is_still_alive_when_the_next_one_runs(pace: int, later_pace: int, bench: Bench) -> None:
    with SftpServer(bench.folder) as server, Proxy(server.port, always(Line(pace=pace))) as proxy:
        delivery = bench.delivery(server.site(port=proxy.port))
        with bench.watched():
            first = Worker(delivery.run)
            while not proxy.connections or proxy.connections[0].up < 200_000:
                time.sleep(0.005)
            proxy.lines = always(Line(pace=later_pace))
            delivery.run()
            error = first.outcome().error
        # It notices either the lock or the missing file.
        assert isinstance(error, TransientError)
        assert re.search("this try has stopped|found no file|disappeared from the site", str(error))
        bench.check_arrived()


# A streamed delivery


@dataclass(frozen=True)
class Place:
    """A site in a form that can be passed to another process."""

    to: Site

    def site(self) -> Site:
        return self.to

    def remote(self, path: str) -> str:
        return f"/{path}"


def stream_to(to: Site) -> None:
    """Stream a delivery, then write its success file."""
    sent = stream(Place(to), stream_settings(), ROWS.replace("120000", "40000"))
    files = [
        DeliveredFile(remote_path=f"/inbox/{file.name}", **file.model_dump(include={"name", "rows", "bytes", "sha256"}))
        for file in sent.artifacts
    ]
    plan = UploadPlan(delivery_id=STREAMED, remote_folder="/inbox", done_path="/inbox/out.csv.DONE")
    write_success_file(partial(connect, to, proven=True), files, plan)


def test_a_worker_killed_in_a_streamed_delivery(tmp_path: Path) -> None:
    inbox, draw = tmp_path / "site" / "inbox", random.Random(9)
    inbox.mkdir(parents=True)
    with SftpServer(inbox.parent) as server, Proxy(server.port) as proxy:
        to = server.site(port=proxy.port)
        stream_to(to)
        content = (inbox / "out.csv").read_bytes()
        totals = [passed.up for passed in proxy.connections]
        assert len(totals) == 2
        anywhere = [Moment("anywhere", 1, "up", draw.randrange(totals[0])) for _ in range(2)]
        # During the renames.
        late = [Moment("late", 1, "up", totals[0] - draw.randrange(1500)) for _ in range(4)]
        last = [Moment("last", 2, "up", totals[1] - draw.randrange(1000)) for _ in range(2)]
        for moment in (*anywhere, *late, *last):
            with struck(moment):
                (inbox / "out.csv").write_bytes(b"old")
                (inbox / "out.csv.DONE").write_bytes(STALE)
                with Watcher(inbox, {"out.csv": content}, "out.csv.DONE", {"out.csv": b"old"}):
                    before, workers = len(proxy.connections), list[Worker]()
                    line = moment.line(then=partial(kill, workers))
                    proxy.lines = once(line, before + moment.connection)
                    workers.append(Worker(partial(stream_to, to)))
                    assert workers[0].outcome().killed
                    proxy.lines = always(GOOD)
                    stream_to(to)
                assert sorted(path.name for path in inbox.iterdir()) == ["out.csv", "out.csv.DONE"]
                assert (inbox / "out.csv").read_bytes() == content


# gpg's homes


def die_in_a_home(folder: str) -> None:
    tempfile.tempdir = folder
    with gnupg_home(agent=True) as home:
        key = home.command("--passphrase", "", "--quick-generate-key", "Sender", "ed25519", "sign")
        subprocess.run(key, env=home.environment, check=True, capture_output=True)
        os.kill(os.getpid(), signal.SIGKILL)


def test_the_gpg_home_of_a_killed_worker_is_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="pgp-", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        assert Worker(partial(die_in_a_home, folder)).outcome().killed
        (left,) = Path(folder).iterdir()
        assert list(left.glob("private-keys-v1.d/*.key"))
        with gnupg_home() as living:
            assert left.exists()  # it could be a new one
            for home in (left, living.path):
                os.utime(home, (0, 0))
            with gnupg_home():
                assert living.path.exists()
                assert not left.exists()
        assert not list(Path(folder).iterdir())
        while any(folder in command for command in commands()):
            time.sleep(0.02)


def commands() -> Iterator[str]:
    """Yield the command lines of all processes."""
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit():
                yield (process / "cmdline").read_text()
