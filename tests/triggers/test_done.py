"""Waiting for `.DONE` as in the triggerer: in asyncio, over one connection, despite faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.sites.keys import public_line, ssh_key
from support.sites.sftp_server import Door, Folder, Operation, SftpServer
from support.stubs import full_backlog
from support.triggers import QUICK, disconnect, take_steps

SECOND = timedelta(seconds=1)


def trigger(path: str = "/out.DONE", **arguments: Any) -> Any:
    """Create a trigger as the triggerer does, from the serialised arguments of another."""
    from persado.triggers import PersadoDoneTrigger

    kind, kwargs = PersadoDoneTrigger(path, **{**QUICK, **arguments}).serialize()
    assert kind == "persado.triggers.PersadoDoneTrigger"
    return PersadoDoneTrigger(**json.loads(json.dumps(kwargs)))


async def fired(waiting: Any) -> Any:
    [payload] = [event.payload async for event in waiting.run()]
    return payload


def wait(waiting: Any, *steps: Callable[[], object]) -> Any:
    """Run a trigger until its event, with steps meanwhile, and return the event."""

    async def run() -> Any:
        async with asyncio.timeout(30):
            task = asyncio.create_task(fired(waiting))
            steps_taken = asyncio.create_task(take_steps(steps))
            await asyncio.wait([task, steps_taken], return_when=asyncio.FIRST_COMPLETED)
            assert steps_taken.done(), task
            return await task

    return asyncio.run(run())


def test_a_file_that_appears_is_found_over_one_connection(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
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


def test_a_file_older_than_newer_than_is_ignored(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
    (tmp_path / "a.DONE").touch()
    with SftpServer(tmp_path) as server:
        at(server)
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        event = wait(trigger("/*.DONE", newer_than=later, timeout=0.5))
        assert wait(trigger("/*.DONE", newer_than=date.today() - timedelta(days=2)))["status"] == "success"
    assert event == {"status": "timeout", "message": "no /*.DONE at the site within 0.5 seconds"}


def test_a_file_is_found_even_if_the_time_out_passed_while_no_triggerer_ran(
    tmp_path: Path, at: Callable[..., SftpServer]
) -> None:
    (tmp_path / "out.DONE").touch()
    began = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    with SftpServer(tmp_path) as server:
        at(server)
        assert wait(trigger(timeout=299, started=began))["status"] == "success"
        assert wait(trigger("/other.DONE", timeout=299, started=began))["status"] == "timeout"


def test_the_time_out_also_holds_for_a_silent_site(at: Callable[..., SftpServer], tmp_path: Path) -> None:
    with SftpServer(tmp_path) as server, full_backlog() as port:
        at(server, port=port, extra={"connect_timeout": 30})
        assert wait(trigger(timeout=0.3))["status"] == "timeout"


def test_lost_connections_are_tolerated(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
    with SftpServer(tmp_path) as server:
        at(server)
        event = wait(
            trigger(max_transient_failures=2),
            *(disconnect(server, times) for times in (1, 2, 3, 4)),
            lambda: (tmp_path / "out.DONE").write_bytes(b" "),
        )
    assert event["status"] == "success"
    assert len(server.logins) >= 4


def test_too_many_failures_in_a_row_end_the_wait(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
    class Refusing(Door):
        def connection_made(self, conn: Any) -> None:
            super().connection_made(conn)
            conn.abort()

    with SftpServer(tmp_path, door=Refusing) as server:
        at(server)
        event = wait(trigger(max_transient_failures=2))
    assert event["error"] == "TransientError"
    assert "failure 3 in a row; giving up" in event["message"]


def test_a_refused_login_is_not_retried(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
    with SftpServer(tmp_path) as server:
        at(server, password="wrong")
        event = wait(trigger())
    assert event["error"] == "RejectedError"
    assert "the site refused the login" in event["message"]
    assert "wrong" not in event["message"].replace("is wrong", "")
    assert server.logins == ["password"]


def test_a_wrong_host_key_ends_the_wait(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
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
def test_a_configuration_mistake_ends_the_wait(arguments: dict[str, Any], message: str) -> None:
    event = wait(trigger(**arguments))
    assert event["error"] == "ConfigurationError"
    assert message in event["message"]


def test_a_cancelled_trigger_closes_its_connection(tmp_path: Path, at: Callable[..., SftpServer]) -> None:
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


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition that depends on another thread is true."""
    import time

    deadline = time.monotonic() + 60
    while not condition():
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
        # While the site hangs, other tasks run.
        assert asyncio.run(run()) > 5
