"""Connections that break, stall or are slow at any step: the delivery completes, and no partial file is visible."""

from __future__ import annotations

import hashlib
import random
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.airflow.worker import Worker, spawner
from support.bench import Bench, bench, check_understandable, staged, struck
from support.chain import Chain
from support.expect import nothing_left_behind, short_pauses
from support.moments import Moment, measure
from support.sites.proxy import GOOD, Line, Proxy, always, once
from support.sites.sftp_server import SftpServer
from support.sites.sshd import Sshd
from support.watcher import STALE

from persado.errors import PersadoError, RejectedError, TransientError
from persado.pipeline.site import reconnect
from persado.pipeline.site.connect import CONNECT_ATTEMPTS

__all__ = ["bench", "nothing_left_behind", "short_pauses", "spawner", "staged"]

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")

SHARES = 6
_moments: list[Moment] = []


@pytest.fixture
def moments(bench: Bench) -> Sequence[Moment]:
    """Return every step of the delivery, measured once."""
    if not _moments:
        _moments.extend(
            measure(
                lambda **classes: SftpServer(bench.folder, **classes),
                lambda server, proxy: bench.delivery(server.site(port=proxy.port)),
            )
        )
        bench.check_arrived()
    return _moments


@pytest.fixture(params=["asyncssh", "openssh"])
def server(request: pytest.FixtureRequest, bench: Bench, tmp_path: Path) -> Iterator[SftpServer | Sshd]:
    started = SftpServer(bench.folder) if request.param == "asyncssh" else Sshd(bench.folder, tmp_path / "sshd")
    with started:
        yield started


only_asyncssh = pytest.mark.parametrize("server", ["asyncssh"], indirect=True)
only_openssh = pytest.mark.parametrize("server", ["openssh"], indirect=True)


def waiting(bench: Bench, server: SftpServer | Sshd, proxy: Proxy, **fields: Any) -> Chain:
    """Return a delivery that is ready to be uploaded through the proxy."""
    return bench.delivery(server.site(port=proxy.port, **fields), remote_folder=server.remote("inbox"))


def attempt(chain: Chain, last: str = "success_file") -> PersadoError | None:
    try:
        chain.run(last)
    except PersadoError as error:
        return error
    return None


@only_asyncssh
@pytest.mark.parametrize("share", range(SHARES))
def test_a_connection_cut_once(share: int, moments: Sequence[Moment], server: SftpServer, bench: Bench) -> None:
    for moment in moments[share::SHARES]:
        with struck(moment), Proxy(server.port, moment.once()) as proxy:
            delivery = waiting(bench, server, proxy)
            with bench.watched():
                error = attempt(delivery)
                if error is not None:
                    # A disconnect after the pass phrase may mean that it is wrong, so it is not retried.
                    assert isinstance(error, RejectedError)
                    assert "the login ended without an answer from the site" in str(error)
                    assert moment.what.endswith("pass phrase")
                    delivery.run()
            assert proxy.connections[moment.connection - 1].broken
            bench.check_arrived()


@only_openssh
def test_a_connection_cut_anywhere_once(server: Sshd, bench: Bench) -> None:
    draw = random.Random(7)
    for number, most in ((1, 1_540_000), (2, 3_000)):
        for up in (0, *(draw.randrange(most) for _ in range(4))):
            with struck(Moment("anywhere", number, "up", up)) as moment, Proxy(server.port, moment.once()) as proxy:
                delivery = waiting(bench, server, proxy)
                with bench.watched():
                    delivery.run()
                assert proxy.connections[number - 1].broken
                bench.check_arrived()


@only_asyncssh
@pytest.mark.parametrize(
    ("last", "what"),
    [
        ("upload", "before connection"),
        ("upload", "in the key exchange"),
        ("upload", "before login"),
        ("upload", "before session"),
        ("upload", "after stat /inbox"),
        ("upload", "before create"),
        ("upload", "before posix_rename"),
        ("success_file", "before connection"),
        ("success_file", "before session"),
        ("success_file", "after stat"),
        ("success_file", "before create"),
        ("success_file", "before posix_rename"),
    ],
)
def test_each_connection_cut_at_the_same_step(
    last: str, what: str, moments: Sequence[Moment], server: SftpServer, bench: Bench
) -> None:
    connection = 1 if last == "upload" else 2
    moment = next(moment for moment in moments if moment.what.startswith(what) and moment.connection == connection)
    with struck(moment), Proxy(server.port) as proxy:
        delivery = waiting(bench, server, proxy)
        with bench.watched():
            if last == "success_file":
                delivery.run("upload")
            proxy.lines = always(moment.line())
            error = attempt(delivery, last)
            # Cut at the same byte every time, the upload may still progress from one rename to the next.
            assert error is not None or "rename" in what
            if error is not None:
                assert isinstance(error, TransientError)
                check_understandable(error)
            assert len(proxy.connections) < 12
            # The same holds for the success file: it may have its name although the response was lost.
            if (last, what) != ("success_file", "before posix_rename"):
                assert (bench.inbox / bench.done).exists() != (last == "success_file" or error is None)
            proxy.lines = always(GOOD)
            delivery.run()
        bench.check_arrived()


def test_each_connection_cut_while_the_upload_progresses(server: SftpServer | Sshd, bench: Bench) -> None:
    # Slow enough that sshd handles some requests before it notices the cut; otherwise it writes nothing.
    with Proxy(server.port, always(Line(up=700_000, pace=8_000_000))) as proxy:
        delivery = waiting(bench, server, proxy)
        with bench.watched():
            delivery.run()
        assert 4 <= len(proxy.connections) < 12
    bench.check_arrived()


@pytest.mark.parametrize("up", [0, 1000, 2700, 3200, 700_000])
def test_a_connection_that_stalls_once(up: int, server: SftpServer | Sshd, bench: Bench) -> None:
    with Proxy(server.port, once(Line(up=up, end="stall"))) as proxy:
        delivery = waiting(bench, server, proxy, connect_timeout=1, channel_timeout=0.5)
        with bench.watched():
            if error := attempt(delivery):
                assert isinstance(error, TransientError)
                assert "the site did not answer within the time-out" in str(error)
                delivery.run()
        assert proxy.connections[0].broken
    bench.check_arrived()


@only_openssh
def test_each_connection_stalls(server: Sshd, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "ATTEMPTS", 2)
    with Proxy(server.port, always(Line(up=700_000, end="stall"))) as proxy:
        delivery = waiting(bench, server, proxy, connect_timeout=1, channel_timeout=0.3)
        with bench.watched():
            proxy.lines = always(Line(up=3200, end="stall"))
            error = attempt(delivery)
            assert isinstance(error, TransientError)
            assert "the site did not answer within the time-out" in str(error)
            check_understandable(error)
            proxy.lines = always(GOOD)
            delivery.run()
    bench.check_arrived()


@pytest.mark.parametrize("line", [Line(pace=1_500_000), Line(delay=0.01)], ids=["drip", "delay"])
def test_a_slow_connection_is_not_an_error(line: Line, server: SftpServer | Sshd, bench: Bench) -> None:
    with Proxy(server.port, always(line)) as proxy:
        delivery = waiting(bench, server, proxy, channel_timeout=0.6)
        with bench.watched():
            delivery.run()
        assert len(proxy.connections) == 2
    bench.check_arrived()


@only_openssh
@pytest.mark.usefixtures("spawner")
def test_memory_stays_flat_over_slow_and_broken_connections(server: Sshd, bench: Bench) -> None:
    size = 100_000_000

    def lines(connection: int) -> Line:
        bad = (Line(up=8_000_000, pace=16_000_000), Line(up=30_000_000), Line(up=20_000_000))
        return bad[connection - 1] if connection <= len(bad) else GOOD

    with Proxy(server.port, lines) as proxy:
        delivery = waiting(bench, server, proxy)
        sha256 = replace_with_large_file(delivery, size)
        outcome = Worker(delivery.run).outcome()
        assert outcome.error is None
        assert len(proxy.connections) > 4
    arrived = bench.inbox / "large.csv"
    assert arrived.stat().st_size == size
    with arrived.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == sha256
    assert outcome.grown < 60_000_000


def replace_with_large_file(delivery: Chain, size: int) -> str:
    """Replace the files of a delivery with a large one; return its SHA-256."""
    block = random.Random(1).randbytes(1_000_000)
    (file, *_) = delivery.run("encrypt")
    path = delivery.folder / "stage" / delivery.delivery_id / "large"
    digest = hashlib.sha256()
    with path.open("wb") as target:
        for number in range(size // len(block)):
            content = number.to_bytes(8, "big") + block[8:]
            target.write(content)
            digest.update(content)
    large = file.model_copy(update={"uri": str(path), "name": "large.csv", "bytes": size, "sha256": digest.hexdigest()})
    record = delivery.folder / "encrypt.json"
    record.unlink()
    record.write_text(f"[{large.model_dump_json()}]")
    return large.sha256


# A site at its connection limit


@contextmanager
def crowded(bench: Bench, folder: Path) -> Iterator[tuple[Sshd, socket.socket]]:
    """Yield a server that accepts one connection at a time before the login, and that connection."""
    with Sshd(bench.folder, folder, "MaxStartups 1", "LoginGraceTime 60") as server, ExitStack() as stack:
        while (other := stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))).recv(1) != b"S":
            pass  # the connection that checked whether the server has started is still open
        yield server, other


def test_a_site_at_its_connection_limit_for_a_moment(bench: Bench, tmp_path: Path) -> None:
    with crowded(bench, tmp_path / "sshd") as (server, other), Proxy(server.port) as proxy:

        def lines(connection: int) -> Line:
            if connection == 2:
                other.close()
            return GOOD

        proxy.lines = lines
        delivery = waiting(bench, server, proxy)
        with bench.watched():
            while (error := attempt(delivery)) is not None:
                assert "the connection was closed before an SSH banner arrived" in str(error)
        assert len(proxy.connections) > 2
        bench.check_arrived()


def test_a_site_that_stays_at_its_connection_limit(bench: Bench, tmp_path: Path) -> None:
    with crowded(bench, tmp_path / "sshd") as (server, _other), Proxy(server.port) as proxy:
        delivery = waiting(bench, server, proxy)
        with bench.watched():
            error = attempt(delivery)
        assert isinstance(error, TransientError)
        assert "the connection was closed before an SSH banner arrived" in str(error)
        check_understandable(error)
        assert len(proxy.connections) == CONNECT_ATTEMPTS
        assert (bench.inbox / bench.done).read_bytes() == STALE
