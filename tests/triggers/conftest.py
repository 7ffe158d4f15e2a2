"""The Airflow connection of the triggers that the tests run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.sites.sftp_server import SftpServer


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SftpServer]:
    """Return a function that sets the Airflow connection `site` to a server."""

    def set_connection(server: SftpServer, **fields: Any) -> SftpServer:
        site = server.site()
        extra = {"host_key": server.host_key, "connect_timeout": 1, "channel_timeout": 1, **fields.pop("extra", {})}
        right = {"host": site.host, "port": site.port, "login": site.login, "password": site.password}
        connection = {"conn_type": "persado", **right, **fields, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SITE", json.dumps(connection))
        return server

    return set_connection
