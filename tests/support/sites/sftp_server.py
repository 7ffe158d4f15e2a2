"""
An SFTP server in the test process: asyncssh on a free port of 127.0.0.1, in a thread with its own event loop.

It records every login and every operation in order. A fault is a subclass of `Door` (logins) or `Folder` (files).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncssh
from asyncssh import FXF_CREAT, FXF_TRUNC, FXF_WRITE
from support.sites.keys import public_line, ssh_key

from persado.pipeline.site.site import Site

ACCOUNT = "acme_amp"
PASS_PHRASE = "correct horse battery staple"


class Operation(NamedTuple):
    """A client's request; `to` is the target of a rename."""

    name: str
    path: str
    to: str | None = None


class Door(asyncssh.SSHServer):
    """Accept the account with its pass phrase or a known key."""

    def __init__(self, server: SftpServer) -> None:
        self.server = server
        self.connection: asyncssh.SSHServerConnection

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connection = conn
        self.server.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> Any:
        self.server.logins.append("password")
        return (username, password) == (ACCOUNT, PASS_PHRASE)

    def public_key_auth_supported(self) -> bool:
        return bool(self.server.known_keys)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self.server.logins.append("publickey")
        return username == ACCOUNT and public_line(key) in self.server.known_keys


class Folder(asyncssh.SFTPServer):
    """Serve the folder and record the operations."""

    server: SftpServer

    def __init__(self, chan: Any) -> None:
        super().__init__(chan, chroot=str(self.server.folder).encode())
        self.writing: dict[Any, str] = {}
        self.before = len(self.server.operations)
        self.server.folders.append(self)

    def record(self, name: str, path: bytes, to: bytes | None = None) -> None:
        self.server.operations.append(Operation(name, path.decode(), to.decode() if to is not None else None))

    def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        how = "create" if pflags & (FXF_CREAT | FXF_TRUNC) else "update" if pflags & FXF_WRITE else "read"
        self.record(how, path)
        file = super().open(path, pflags, attrs)
        if how != "read":
            self.writing[file] = path.decode()
        return file

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        if not self.is_lock(file_obj):
            self.server.written.append((self.writing[file_obj], offset, len(data)))
        return super().write(file_obj, offset, data)

    def is_lock(self, file_obj: object) -> bool:
        """Return whether an open file is a delivery's lock."""
        return self.writing[file_obj].endswith(".lock")

    def close(self, file_obj: object) -> Any:
        if path := self.writing.pop(file_obj, None):
            self.record("written", path.encode())
        return super().close(file_obj)

    def scandir(self, path: bytes) -> Any:
        self.record("list", path)
        return super().scandir(path)

    def stat(self, path: bytes) -> Any:
        self.record("stat", path)
        return super().stat(path)

    def remove(self, path: bytes) -> Any:
        self.record("remove", path)
        return super().remove(path)

    def mkdir(self, path: bytes, attrs: Any) -> Any:
        self.record("mkdir", path)
        return super().mkdir(path, attrs)

    def rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self.record("rename", oldpath, newpath)
        return super().rename(oldpath, newpath)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self.record("posix_rename", oldpath, newpath)
        return super().posix_rename(oldpath, newpath)


class SftpServer:
    """
    The server, running inside `with`.

    :param folder: the local folder that clients see as /
    :param files: the class that serves it; None if the door creates the sessions
    :param door: the class that accepts logins
    :param host_keys: types of host key
    :param known_keys: public keys, "type base64", that may log in
    :param options: further arguments of asyncssh.listen
    """

    def __init__(
        self,
        folder: Path,
        *,
        files: type[Folder] | None = Folder,
        door: type[Door] = Door,
        host_keys: Sequence[str] = ("ssh-ed25519",),
        known_keys: Sequence[str] = (),
        **options: Any,
    ) -> None:
        self.folder = folder
        self.host_keys = [ssh_key(kind, "host") for kind in host_keys]
        self.known_keys = known_keys
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.folders: list[Folder] = []
        self.logins: list[str] = []
        self.operations: list[Operation] = []
        self.written: list[tuple[str, int, int]] = []
        self._files: type[Folder] | None = None
        if files:
            self.serve(files)
        self._door = door
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sftp-server")
        self.port = 0

    @property
    def host_key(self) -> str:
        """The pins of all host keys."""
        return "\n".join(map(public_line, self.host_keys))

    def site(self, **fields: Any) -> Site:
        """Return the site, with time-outs fit for tests."""
        return Site(
            **{
                "login": ACCOUNT,
                "password": PASS_PHRASE,
                "host": "127.0.0.1",
                "port": self.port,
                "host_key": self.host_key,
                "connect_timeout": 5.0,
                "channel_timeout": 5.0,
                **fields,
            }
        )

    def serve(self, files: type[Folder]) -> None:
        """Let another class serve the folder from the next session on."""
        self._files = type("ServedFolder", (files,), {"server": self})

    def remote(self, path: str = "") -> str:
        """Return the path that clients use for a path in the folder."""
        return f"/{path}"

    def changes(self) -> list[Operation]:
        """Return the operations that change what others see."""
        return [operation for operation in self.operations if operation.name not in ("list", "stat", "read")]

    def hang_up(self) -> None:
        """Break all connections."""
        for connection in self.connections:
            self._loop.call_soon_threadsafe(connection.abort)

    def __enter__(self) -> SftpServer:
        self._thread.start()
        self._listener = self._run(self._listen())
        self.port = self._listener.get_port()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> Any:
        return await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=lambda: self._door(self),
            server_host_keys=self.host_keys,
            sftp_factory=(lambda channel: self._files(channel)) if self._files else None,
            **self._options,
        )

    async def _stop(self) -> None:
        self._listener.close()
        for connection in self.connections:
            connection.abort()
        await self._listener.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for folder in self.folders:
            for file in folder.writing:
                file.close()
        await self._loop.shutdown_default_executor()
