"""The trigger of an asset watcher: each new or changed `.DONE` fires once, even after a restart."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.sites.sftp_server import Operation, SftpServer
from support.triggers import QUICK, disconnect, take_steps

from persado.pipeline.done.seen import Seen


class State:
    """Stand in for the triggerer's access to an asset's state, which needs Airflow's API server."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}
        self._by_name = {"asset": self}

    async def aget(self, key: str) -> Any:
        return self.stored.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.stored[key] = json.loads(json.dumps(value))


class TestEvents:
    """The trigger of an asset watcher."""

    @pytest.fixture(autouse=True)
    def _site(self, tmp_path: Path, at: Callable[..., SftpServer]) -> Any:
        self.folder, self.state, self.at = tmp_path, State(), at
        with SftpServer(tmp_path) as self.server:
            at(self.server)
            yield

    def events(self, count: int, *steps: Callable[[], object], path: str = "/*.DONE", **arguments: Any) -> list[str]:
        """Return the names of the next files that fire; end the watch as a shutdown does."""
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
            checks = 0
            async with asyncio.timeout(20):
                await take_steps(steps)
                while len(names) < count or checks < 10:
                    checks += 1
                    await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return names

        return asyncio.run(run())

    def test_each_new_or_changed_file_fires_once_even_after_a_restart(self) -> None:
        (self.folder / "a.DONE").touch()
        assert self.events(1, lambda: self.folder.joinpath(".x.DONE").write_bytes(b"x")) == ["/a.DONE"]
        (self.folder / "b.DONE").touch()
        assert self.events(1) == ["/b.DONE"]
        (self.folder / "a.DONE").write_bytes(b"changed")
        assert self.events(1) == ["/a.DONE"]
        assert self.events(0) == []
        assert self.server.logins == ["password"] * 4

    def test_a_file_older_than_newer_than_does_not_fire(self) -> None:
        (self.folder / "a.DONE").touch()
        assert self.events(0, newer_than=datetime.now(UTC) + timedelta(hours=1)) == []
        assert self.events(1, newer_than=date.today() - timedelta(days=2)) == ["/a.DONE"]

    def test_only_the_named_file_fires(self) -> None:
        (self.folder / "a.DONE").touch()
        (self.folder / "b.DONE").touch()
        assert self.events(1, path="/b.DONE") == ["/b.DONE"]

    def test_a_pattern_may_match_folders(self, caplog: pytest.LogCaptureFixture) -> None:
        def put(name: str) -> Callable[[], object]:
            def step() -> bool:
                (self.folder / "in" / name).mkdir(parents=True, exist_ok=True)
                (self.folder / "in" / name / "out.DONE").touch()
                return True

            return step

        def reported() -> bool:
            return "The folder /in/* does not exist at the site (yet)" in caplog.text

        assert self.events(2, reported, put("a"), put("b"), path="/in/*/out.DONE") == [
            "/in/a/out.DONE",
            "/in/b/out.DONE",
        ]
        assert caplog.text.count("does not exist at the site") == 1
        assert self.events(1, put("c"), path="/in/*/out.DONE") == ["/in/c/out.DONE"]

    def test_more_files_than_airflow_stores_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("persado.triggers.done_event.AT_ONCE", 3)
        for number in range(8):
            (self.folder / f"{number}.DONE").touch()
        # The poke interval is longer than the test, so the remaining files cannot wait for it.
        assert sorted(self.events(8, poke_interval=60)) == [f"/{number}.DONE" for number in range(8)]
        assert self.server.operations.count(Operation("list", "/")) == 3

    def test_lost_connections_are_tolerated(self) -> None:
        appears = partial((self.folder / "a.DONE").write_bytes, b" ")
        assert self.events(1, disconnect(self.server, 1), disconnect(self.server, 2), appears) == ["/a.DONE"]

    def test_a_refused_login_is_not_retried_until_the_connection_changes(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.at(self.server, password="wrong")
        caplog.set_level(logging.ERROR, "persado.triggers.done_event")

        def reported() -> bool:
            return caplog.text.count("the site refused the login") > 2

        def repaired() -> SftpServer:
            assert self.server.logins == ["password"]
            (self.folder / "a.DONE").touch()
            return self.at(self.server)

        assert self.events(1, reported, repaired) == ["/a.DONE"]
        assert "No login until the Airflow connection changes; checking it again in" in caplog.text
        assert self.server.logins == ["password"] * 2

    def test_watchers_of_one_folder_share_its_listing(self) -> None:
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
                while not (names[0] and self.state.stored):
                    await asyncio.sleep(0.01)
            [state] = self.state.stored.values()
            assert list(Seen.from_state(state).stamps) == ["a.DONE"]
            (self.folder / "ab.DONE").touch()
            async with asyncio.timeout(20):
                while not names[1]:
                    await asyncio.sleep(0.01)
            # Airflow has not stored the event of one watcher yet, so no further state is saved.
            assert len(self.state.stored) == 1
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await manager.stop_all()
            return names

        assert asyncio.run(run()) == [["/a.DONE", "/ab.DONE"], ["/ab.DONE"]]
        assert self.server.logins == ["password"]

    def test_a_mistake_is_reported_when_the_dag_is_parsed(self) -> None:
        from persado.errors import ConfigurationError
        from persado.triggers import PersadoDoneEventTrigger

        with pytest.raises(ConfigurationError, match="expected the full path"):
            PersadoDoneEventTrigger("out.DONE")
