"""Steps that run in a test while a trigger waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from support.sites.sftp_server import SftpServer

QUICK: dict[str, Any] = {"persado_conn_id": "site", "poke_interval": 0.05}


async def take_steps(steps: Sequence[Callable[[], object]]) -> None:
    for step in steps:
        while not step():
            await asyncio.sleep(0.01)


def disconnect(server: SftpServer, login: int) -> Callable[[], bool]:
    """Return a step that breaks the connection once the login with this number (from 1) has made a request."""

    def step() -> bool:
        used = len(server.folders) >= login and len(server.operations) > server.folders[login - 1].before
        if used:
            server.hang_up()
        return used

    return step
