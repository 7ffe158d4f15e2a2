"""
A real, empty PostgreSQL server for the tests, on a socket in a temporary folder.

The first call of ``connect()`` starts it. It stops when the test process ends, even if that is killed.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

USER = "persado_tests"

_BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "16MB",
    "max_connections": "20",
    "log_min_messages": "panic",
}


def connect(database: str = "postgres", **options: Any) -> psycopg.Connection[Any]:
    """Open a connection; ``options`` are passed to :func:`psycopg.connect`."""
    return psycopg.connect(host=host(), user=USER, dbname=database, **options)


def uri() -> str:
    """Return the URI of the server."""
    return f"postgresql:///postgres?host={quote(host(), safe='')}&user={USER}"


def host() -> str:
    """Return the host to connect to: a folder of sockets."""
    return str(_server())


@cache
def _server() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="persado-pg-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    data = folder / "data"
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
    _run("initdb", "--pgdata", data, "--username", USER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
    settings = [f"-c{name}={value}" for name, value in (_OPTIONS | {"unix_socket_directories": str(folder)}).items()]
    server = subprocess.Popen(
        _as_postgres("postgres", "-D", data, *settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    atexit.register(_end, server)
    _wait(folder, server)
    return folder


def _wait(folder: Path, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with suppress(psycopg.OperationalError):
            psycopg.connect(host=str(folder), user=USER, dbname="postgres").close()
            return
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start (exit code {server.poll()})")


def _end(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)  # the fast shutdown
    try:
        server.wait(60)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _run(program: str, *arguments: str | Path) -> None:
    subprocess.run(_as_postgres(program, *arguments), check=True, capture_output=True, cwd="/")


def _as_postgres(program: str, *arguments: str | Path) -> list[str | Path]:
    identity = []
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        identity = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    # If the test process is killed, the server ends with it.
    return ["setpriv", *identity, "--pdeathsig=INT", "--", _BINARIES / program, *arguments]
