"""A site's folder that fails at given operations, and one that records what a receiver would see."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, ClassVar

import asyncssh
from support.sites.sftp_server import Folder


class WatchedFolder(Folder):
    """Record at every operation and every write what a receiver would see."""

    seen: ClassVar[list[dict[str, int]]]

    def record(self, name: str, path: bytes, to: bytes | None = None) -> None:
        super().record(name, path, to)
        self.record_view()

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        self.record_view()
        return super().write(file_obj, offset, data)

    def record_view(self) -> None:
        files = self.server.folder.rglob("[!.]*")
        self.seen.append({path.name: path.stat().st_size for path in files if path.is_file()})


def faulty(name: str, fault: Callable[[Folder], Any], times: Container[int]) -> type[Folder]:
    """Return a folder with a fault at some calls of an operation, counted from 1."""

    class Faulty(Folder):
        seen = 0

        def count(self, operation: str) -> None:
            type(self).seen += operation == name
            if operation == name and self.seen in times:
                fault(self)

        def record(self, operation: str, path: bytes, to: bytes | None = None) -> None:
            super().record(operation, path, to)
            self.count(operation)

        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            if not self.is_lock(file_obj):
                self.count("write")
            return super().write(file_obj, offset, data)

    return Faulty


def hang_up(served: Folder) -> None:
    """Break the connection, and carry out the operation."""
    served.connection.abort()


def hang_up_before(served: Folder) -> None:
    """Break the connection, and do not carry out the operation."""
    served.connection.abort()
    raise asyncssh.SFTPConnectionLost("gone")
