"""A site with a folder, and the Airflow connections that lead to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.expect import nothing_left_behind, short_pauses
from support.sites.sftp_server import ACCOUNT, PASS_PHRASE, SftpServer

__all__ = ["nothing_left_behind", "short_pauses"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site" / "inbox" / "sub").mkdir(parents=True)
    (tmp_path / "site" / "inbox" / "a.csv").write_bytes(b"abc")
    (tmp_path / "site" / "inbox" / "sub" / "b.csv").write_bytes(b"")
    return tmp_path / "site"


@pytest.fixture
def server(folder: Path) -> Iterator[SftpServer]:
    with SftpServer(folder) as server:
        yield server


@pytest.fixture
def define(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Define an Airflow connection."""

    def set_environment(conn_id: str = "persado_default", conn_type: str = "persado", **fields: Any) -> None:
        connection = {"conn_type": conn_type, **{name: value for name, value in fields.items() if value is not None}}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    return set_environment


@pytest.fixture
def reach(define: Any, server: SftpServer) -> Any:
    """Define a connection to the server, with some fields changed."""

    def define_for_server(conn_id: str = "persado_default", conn_type: str = "persado", **changes: Any) -> None:
        extra = {"host_key": server.host_key, "connect_timeout": 5, "channel_timeout": 5, **changes.pop("extra", {})}
        fields = {"host": "127.0.0.1", "port": server.port, "login": ACCOUNT, "password": PASS_PHRASE}
        define(conn_id, conn_type, **{**fields, **changes}, extra=extra)

    return define_for_server
