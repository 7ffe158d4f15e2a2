"""Waiting for `.DONE` as the triggerer does it: in asyncio, over one connection, through faults."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.sites.keys import public_line, ssh_key
from support.sites.sftp_server import Door, Folder, Operation, SftpServer
from support.stubs import full_backlog

from persado.pipeline.done.seen import Seen

QUICK: dict[str, Any] = {"persado_conn_id": "site", "poke_interval": 0.05}
SECOND = timedelta(seconds=1)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SftpServer]:
    """Let the Airflow connection `site` lead to a server."""

    def set_connection(server: SftpServer, **fields: Any) -> SftpServer:
        site = server.site()
        extra = {"host_key": server.host_key, "connect_timeout": 1, "channel_timeout": 1, **fields.pop("extra", {})}
        right = {"host": site.host, "port": site.port, "login": site.login, "password": site.password}
        connection = {"conn_type": "persado", **right, **fields, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SITE", json.dumps(connection))
        return server

    return set_connection


def trigger(path: str = "/out.DONE", **arguments: Any) -> Any:
    """Make a trigger as the triggerer does, from what another one gave."""
    from persado.triggers import PersadoDoneTrigger

    kind, kwargs = PersadoDoneTrigger(path, **{**QUICK, **arguments}).serialize()
    assert kind == "persado.triggers.PersadoDoneTrigger"
    return PersadoDoneTrigger(**json.loads(json.dumps(kwargs)))


async def fired(waiting: Any) -> Any:
    [payload] = [event.payload async for event in waiting.run()]
    return payload


async def take(steps: Sequence[Callable[[], object]]) -> None:
    for step in steps:
        while not step():
            await asyncio.sleep(0.01)


def wait(waiting: Any, *steps: Callable[[], object]) -> Any:
    """Run a trigger to its event, with steps on the way; meanwhile the loop may never be blocked for long."""

    async def run() -> Any:
        async with asyncio.timeout(30):
            task = asyncio.create_task(fired(waiting))
            steps_taken = asyncio.create_task(take(steps))
            await asyncio.wait([task, steps_taken], return_when=asyncio.FIRST_COMPLETED)
            assert steps_taken.done(), task
            return await task

    return asyncio.run(run())


def lost(server: SftpServer, login: int) -> Callable[[], bool]:
    """Make a step that breaks the connection once the so-manieth one is in use."""

    def step() -> bool:
        used = len(server.folders) >= login and len(server.operations) > server.folders[login - 1].before
        if used:
            server.hang_up()
        return used

    return step


def test_a_file_that_appears_over_one_connection(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
    with SftpServer(tmp_path) as server:
        at(server)
        manifest = {"rows": 3}
        event = wait(
            trigger(newer_than=datetime.now(UTC) - SECOND),
            lambda: server.operations.count(Operation("stat", "/out.DONE")) > 3,
            lambda: (tmp_path / "out.DONE").write_text(json.dumps(manifest)),
        )
        assert server.logins == ["password"]
    assert {key: event[key] for key in ("status", "path", "size", "manifest")} == {
        "status": "success",
        "path": "/out.DONE",
        "size": 11,
        "manifest": manifest,
    }
    assert datetime.fromisoformat(event["mtime"]) <= datetime.now(UTC)


def test_a_file_that_is_too_old_does_not_count(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
    (tmp_path / "a.DONE").touch()
    with SftpServer(tmp_path) as server:
        at(server)
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        event = wait(trigger("/*.DONE", newer_than=later, timeout=0.5))
        assert wait(trigger("/*.DONE", newer_than=date.today() - timedelta(days=2)))["status"] == "success"
    assert event == {"status": "timeout", "message": "no /*.DONE at the site within 0.5 seconds"}


def test_what_came_while_no_triggerer_ran_is_found_though_time_is_up(
    tmp_path: Path, at: Callable[..., SftpServer]
) -> None:
    (tmp_path / "out.DONE").touch()
    began = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    with SftpServer(tmp_path) as server:
        at(server)
        assert wait(trigger(timeout=299, started=began))["status"] == "success"
        assert wait(trigger("/other.DONE", timeout=299, started=began))["status"] == "timeout"


def test_a_silent_site_does_not_outlast_the_time_out(at: Callable[..., SftpServer], tmp_path: Path) -> None:
    with SftpServer(tmp_path) as server, full_backlog() as port:
        at(server, port=port, extra={"connect_timeout": 30})
        assert wait(trigger(timeout=0.3))["status"] == "timeout"


def test_lost_connections_are_tolerated(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
    with SftpServer(tmp_path) as server:
        at(server)
        event = wait(
            trigger(max_transient_failures=2),
            *(lost(server, times) for times in (1, 2, 3, 4)),
            lambda: (tmp_path / "out.DONE").write_bytes(b" "),
        )
    assert event["status"] == "success"
    assert len(server.logins) >= 4


def test_too_many_failures_in_a_row_end_the_waiting(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
    class Refusing(Door):
        def connection_made(self, conn: Any) -> None:
            super().connection_made(conn)
            conn.abort()

    with SftpServer(tmp_path, door=Refusing) as server:
        at(server)
        event = wait(trigger(max_transient_failures=2))
    assert event["error"] == "TransientError"
    assert "failure 3 in a row; giving up" in event["message"]


def test_a_refused_login_is_one_attempt(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
    with SftpServer(tmp_path) as server:
        at(server, password="wrong")
        event = wait(trigger())
    assert event["error"] == "RejectedError"
    assert "the site refused the login" in event["message"]
    assert "wrong" not in event["message"].replace("is wrong", "")
    assert server.logins == ["password"]


def test_another_host_key_ends_the_waiting(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
    with SftpServer(tmp_path) as server:
        at(server, extra={"host_key": public_line(ssh_key("ssh-ed25519", "another"))})
        event = wait(trigger())
    assert "wrong host key: expected ssh-ed25519 SHA256:" in event["message"]
    assert server.logins == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"persado_conn_id": "nowhere"}, "there is no Airflow connection 'nowhere'"),
        ({"newer_than": "None"}, "newer_than: expected a date"),
        ({"path": "out.DONE"}, "expected the full path"),
    ],
)
def test_a_mistake_ends_the_waiting(arguments: dict[str, Any], message: str) -> None:
    event = wait(trigger(**arguments))
    assert event["error"] == "ConfigurationError"
    assert message in event["message"]


def test_a_cancelled_trigger_leaves_no_connection(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
    async def run(server: SftpServer) -> None:
        task = asyncio.create_task(fired(trigger()))
        while not server.operations:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with SftpServer(tmp_path) as server:
        at(server)
        asyncio.run(run(server))
        wait_until(lambda: all(connection.is_closed() for connection in server.connections))


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for what comes about in another thread."""
    import time

    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_hanging_site_does_not_block_the_loop(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
    class Slow(Folder):
        def stat(self, path: bytes) -> Any:
            super().stat(path)
            return hang()

    async def hang() -> Any:
        await asyncio.sleep(30)

    async def run() -> int:
        ticks = 0
        task = asyncio.create_task(fired(trigger(timeout=1)))
        while not task.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert (await task)["status"] == "timeout"
        return ticks

    with SftpServer(tmp_path, files=Slow) as server:
        at(server)
        # All the while the site hangs, others have their turn.
        assert asyncio.run(run()) > 5


class State:
    """Stand in for the triggerer's way to an asset's state, which needs Airflow's API server."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self._by_name = {"asset": self}

    async def aget(self, key: str) -> Any:
        return self.kept.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.kept[key] = json.loads(json.dumps(value))


class TestEvents:
    """The trigger of an asset watcher."""

    @pytest.fixture(autouse=True)
    def _site(self, tmp_path: Path, at: Callable[..., SftpServer]) -> Any:
        self.folder, self.state, self.at = tmp_path, State(), at
        with SftpServer(tmp_path) as self.server:
            at(self.server)
            yield

    def events(self, count: int, *steps: Callable[[], object], path: str = "/*.DONE", **arguments: Any) -> list[str]:
        """Give the names of the next files that fire, then end the watch as a shutdown does."""
        from persado.triggers import PersadoDoneEventTrigger

        kwargs = PersadoDoneEventTrigger(path, **{**QUICK, **arguments}).serialize()[1]
        watch = PersadoDoneEventTrigger(**json.loads(json.dumps(kwargs)))
        watch.asset_state_store = self.state  # type: ignore[assignment]

        async def run() -> list[str]:
            names: list[str] = []

            async def collect() -> None:
                nonlocal names
                async for event in watch.run():
                    names += [event.payload["path"]]

            task = asyncio.create_task(collect())
            looks = 0
            async with asyncio.timeout(20):
                await take(steps)
                while len(names) < count or looks < 10:
                    looks += 1
                    await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return names

        return asyncio.run(run())

    def test_each_new_or_changed_file_once_also_after_a_restart(self) -> None:
        (self.folder / "a.DONE").touch()
        assert self.events(1, lambda: self.folder.joinpath(".x.DONE").write_bytes(b"x")) == ["/a.DONE"]
        (self.folder / "b.DONE").touch()
        assert self.events(1) == ["/b.DONE"]
        (self.folder / "a.DONE").write_bytes(b"changed")
        assert self.events(1) == ["/a.DONE"]
        assert self.events(0) == []
        assert self.server.logins == ["password"] * 4

    def test_what_is_older_than_asked_for_does_not_fire(self) -> None:
        (self.folder / "a.DONE").touch()
        assert self.events(0, newer_than=datetime.now(UTC) + timedelta(hours=1)) == []
        assert self.events(1, newer_than=date.today() - timedelta(days=2)) == ["/a.DONE"]

    def test_one_name_among_others(self) -> None:
        (self.folder / "a.DONE").touch()
        (self.folder / "b.DONE").touch()
        assert self.events(1, path="/b.DONE") == ["/b.DONE"]

    def test_folders_by_a_pattern(self, caplog: pytest.LogCaptureFixture) -> None:
        def put(name: str) -> Callable[[], object]:
            def step() -> bool:
                (self.folder / "in" / name).mkdir(parents=True, exist_ok=True)
                (self.folder / "in" / name / "out.DONE").touch()
                return True

            return step

        def told() -> bool:
            return "There is no folder /in/* at the site (yet)" in caplog.text

        assert self.events(2, told, put("a"), put("b"), path="/in/*/out.DONE") == ["/in/a/out.DONE", "/in/b/out.DONE"]
        assert caplog.text.count("There is no folder") == 1
        assert self.events(1, put("c"), path="/in/*/out.DONE") == ["/in/c/out.DONE"]

    def test_more_than_airflow_stores_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("persado.triggers.done_event.AT_ONCE", 3)
        for number in range(8):
            (self.folder / f"{number}.DONE").touch()
        # The pause is longer than the test: what is left over does not wait for it.
        assert sorted(self.events(8, poke_interval=60)) == [f"/{number}.DONE" for number in range(8)]
        assert self.server.operations.count(Operation("list", "/")) == 3

    def test_lost_connections_are_tolerated(self) -> None:
        appears = partial((self.folder / "a.DONE").write_bytes, b" ")
        assert self.events(1, lost(self.server, 1), lost(self.server, 2), appears) == ["/a.DONE"]

    def test_a_refused_login_waits_for_another_connection(self, caplog: pytest.LogCaptureFixture) -> None:
        self.at(self.server, password="wrong")
        caplog.set_level(logging.ERROR, "persado.triggers.done_event")

        def told() -> bool:
            return caplog.text.count("the site refused the login") > 2

        def requoted() -> SftpServer:
            assert self.server.logins == ["password"]
            (self.folder / "a.DONE").touch()
            return self.at(self.server)

        assert self.events(1, told, requoted) == ["/a.DONE"]
        assert "Waiting for another Airflow connection, asked for again in" in caplog.text
        assert self.server.logins == ["password"] * 2

    def test_one_listing_serves_all_that_watch_a_folder(self) -> None:
        from airflow.triggers.shared_stream import SharedStreamManager

        from persado.triggers import PersadoDoneEventTrigger

        async def run() -> list[list[str]]:
            manager = SharedStreamManager()
            names: list[list[str]] = [[], []]

            async def collect(number: int, path: str) -> None:
                watch = PersadoDoneEventTrigger(path, **QUICK)
                watch.asset_state_store = self.state  # type: ignore[assignment]
                key = watch.shared_stream_key()
                stream = manager.subscribe(trigger_id=number, trigger=watch, key=key)
                async for event in watch.filter_shared_stream(stream):
                    seq = manager.bind_pending_event(trigger_id=number, key=key)
                    names[number].append(event.payload["path"])
                    assert seq is not None
                    if number == 0:
                        manager.confirm_persisted([seq])

            tasks = [asyncio.create_task(collect(n, path)) for n, path in enumerate(["/a*.DONE", "/*b.DONE"])]
            (self.folder / "a.DONE").touch()
            async with asyncio.timeout(20):
                while not (names[0] and self.state.kept):
                    await asyncio.sleep(0.01)
            [state] = self.state.kept.values()
            assert list(Seen.from_state(state).stamps) == ["a.DONE"]
            (self.folder / "ab.DONE").touch()
            async with asyncio.timeout(20):
                while not names[1]:
                    await asyncio.sleep(0.01)
            # Not yet stored by Airflow, for one of the two: nothing more is kept.
            assert len(self.state.kept) == 1
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await manager.stop_all()
            return names

        assert asyncio.run(run()) == [["/a.DONE", "/ab.DONE"], ["/ab.DONE"]]
        assert self.server.logins == ["password"]

    def test_a_mistake_shows_when_the_dag_is_parsed(self) -> None:
        from persado.errors import ConfigurationError
        from persado.triggers import PersadoDoneEventTrigger

        with pytest.raises(ConfigurationError, match="expected the full path"):
            PersadoDoneEventTrigger("out.DONE")
