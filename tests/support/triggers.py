"""Steps that tests take while a trigger waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from support.sites.sftp_server import SftpServer

QUICK: dict[str, Any] = {"persado_conn_id": "site", "poke_interval": 0.05}


async def take(steps: Sequence[Callable[[], object]]) -> None:
    for step in steps:
        while not step():
            await asyncio.sleep(0.01)


def lost(server: SftpServer, login: int) -> Callable[[], bool]:
    """Make a step that breaks the connection once the so-manieth one is in use."""

    def step() -> bool:
        used = len(server.folders) >= login and len(server.operations) > server.folders[login - 1].before
        if used:
            server.hang_up()
        return used

    return step
