"""A site's folder that breaks a connection at some operation, and one that sees what a receiver would see."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, ClassVar

import asyncssh
from support.sites.sftp_server import Folder


class WatchedFolder(Folder):
    """See at every operation and every write what a receiver would see."""

    seen: ClassVar[list[dict[str, int]]]

    def note(self, name: str, path: bytes, to: bytes | None = None) -> None:
        super().note(name, path, to)
        self.look()

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        self.look()
        return super().write(file_obj, offset, data)

    def look(self) -> None:
        files = self.server.folder.rglob("[!.]*")
        self.seen.append({path.name: path.stat().st_size for path in files if path.is_file()})


def faulty(name: str, fault: Callable[[Folder], Any], times: Container[int]) -> type[Folder]:
    """Give a folder with a fault at some of the operations of a name: the first is number 1."""

    class Faulty(Folder):
        seen = 0

        def count(self, operation: str) -> None:
            type(self).seen += operation == name
            if operation == name and self.seen in times:
                fault(self)

        def note(self, operation: str, path: bytes, to: bytes | None = None) -> None:
            super().note(operation, path, to)
            self.count(operation)

        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            if not self.is_lock(file_obj):
                self.count("write")
            return super().write(file_obj, offset, data)

    return Faulty


def hang_up(served: Folder) -> None:
    """Break the connection; what was asked for is done."""
    served.connection.abort()


def hang_up_before(served: Folder) -> None:
    """Break the connection; what was asked for is not done."""
    served.connection.abort()
    raise asyncssh.SFTPConnectionLost("gone")
