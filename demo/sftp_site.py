"""
A stand-in for Persado's site: an SFTP server on 127.0.0.1 with one account, its own host key and a log.

Call `prepare_site` first. `python -m demo.sftp_site` then serves until SIGTERM; `read_site` returns how to reach it.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import os
import posixpath
import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh

from demo.layout import HERE, Layout
from demo.private_file import write_private

ADDRESS = "127.0.0.1"
ACCOUNT = "acme_amp"


@dataclass(frozen=True)
class Site:
    """
    How to reach the stand-in.

    :param port: its port, which differs from start to start
    :param account: the user name
    :param host_key: the public host key, "type base64"
    """

    host: str
    port: int
    account: str
    pass_phrase: str = field(repr=False)
    host_key: str


def prepare_site(layout: Layout) -> None:
    """Empty the site; generate its host key and pass phrase unless they exist."""
    shutil.rmtree(layout.site, ignore_errors=True)
    layout.site.mkdir(mode=0o700, parents=True)
    for stale in (layout.site_log, ready_file(layout)):
        stale.unlink(missing_ok=True)
    if not pass_phrase_file(layout).is_file():
        write_private(pass_phrase_file(layout), secrets.token_urlsafe(18) + "\n")
    if not host_key_file(layout).is_file():
        write_private(host_key_file(layout), asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode())


def read_site(layout: Layout) -> Site | None:
    """Return how to reach the site; None until it listens."""
    try:
        reachable = json.loads(ready_file(layout).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Site(account=ACCOUNT, pass_phrase=read_pass_phrase(layout), **reachable)


def pass_phrase_file(layout: Layout) -> Path:
    """The file with the account's pass phrase."""
    return layout.secrets / "site_pass_phrase"


def host_key_file(layout: Layout) -> Path:
    """The file with the server's private host key."""
    return layout.secrets / "site_host_key"


def known_hosts_file(layout: Layout) -> Path:
    """The known_hosts file for OpenSSH's `sftp`."""
    return layout.demo / "known_hosts"


def ready_file(layout: Layout) -> Path:
    """The file that the server writes once it listens."""
    return layout.demo / "site.json"


def read_pass_phrase(layout: Layout) -> str:
    """Read the account's pass phrase."""
    return pass_phrase_file(layout).read_text(encoding="utf-8").strip()


async def serve(layout: Layout) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    pass_phrase = read_pass_phrase(layout)
    key = asyncssh.read_private_key(host_key_file(layout))
    with layout.site_log.open("a", encoding="utf-8", buffering=1) as log:
        record = Log(log.write)
        server = await asyncssh.listen(
            ADDRESS,
            0,
            server_host_keys=[key],
            server_factory=lambda: Login(pass_phrase, record),
            sftp_factory=lambda channel: Folder(channel, layout.site, record),
            allow_scp=False,
            public_key_auth=False,
            kbdint_auth=False,
        )
        async with server:
            publish(layout, server.get_port(), key.export_public_key().decode().strip())
            await stop.wait()


def publish(layout: Layout, port: int, public_key: str) -> None:
    """Write the files that say where the site listens."""
    host_key = " ".join(public_key.split()[:2])
    known_hosts_file(layout).write_text(f"[{ADDRESS}]:{port} {host_key}\n", encoding="utf-8")
    unfinished = ready_file(layout).with_suffix(".part")
    unfinished.write_text(json.dumps({"host": ADDRESS, "port": port, "host_key": host_key}), encoding="utf-8")
    unfinished.replace(ready_file(layout))


@dataclass(frozen=True)
class Event:
    """
    One line of the log.

    :param operation: what a client asked for
    :param path: the path, as the client sees it
    :param to: the new name, for a rename
    :param size: the file's size in bytes when it was closed
    :param error: why it failed; None if it succeeded
    """

    operation: str
    path: str
    to: str | None = None
    size: int | None = None
    error: str | None = None


class Log:
    """
    Writes events in the order in which they happen.

    :param write: called with each line
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def __call__(self, event: Event) -> None:
        """Write one event."""
        fields = {name: value for name, value in asdict(event).items() if value is not None}
        self._write(json.dumps({"time": datetime.now(UTC).isoformat(), **fields}) + "\n")


class Login(asyncssh.SSHServer):
    """
    Accepts one account with its pass phrase.

    :param pass_phrase: the right one
    :param record: called with each attempt
    """

    def __init__(self, pass_phrase: str, record: Log) -> None:
        self._pass_phrase = pass_phrase
        self._record = record

    def begin_auth(self, username: str) -> bool:
        """Require authentication from every account."""
        return True

    def password_auth_supported(self) -> bool:
        """Offer the only method."""
        return True

    def validate_password(self, username: str, password: str) -> bool:
        """Check account and pass phrase in constant time."""
        right_account = hmac.compare_digest(username.encode(), ACCOUNT.encode())
        right_pass_phrase = hmac.compare_digest(password.encode(), self._pass_phrase.encode())
        accepted = right_account and right_pass_phrase
        self._record(Event("login", "/", error=None if accepted else "wrong account or pass phrase"))
        return accepted


class Folder(asyncssh.SFTPServer):
    """
    The account's folder, with a log of what clients do in it, without the single reads and writes.

    :param root: what the client sees as `/`
    :param record: called with each operation
    """

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], root: Path, record: Log) -> None:
        super().__init__(channel, chroot=os.fsencode(root))
        self._record = record
        self._open: dict[int, str] = {}

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open a file."""
        writes = pflags & (asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_APPEND)
        file = self._logged("open to write" if writes else "open to read", path, super().open, path, pflags, attrs)
        self._open[id(file)] = shown(path)
        return file

    def close(self, file_obj: Any) -> None:
        """Close a file."""
        size = os.fstat(file_obj.fileno()).st_size
        super().close(file_obj)
        self._record(Event("close", self._open.pop(id(file_obj)), size=size))

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename a file, unless the new name exists."""
        self._logged("rename", oldpath, super().rename, oldpath, newpath, to=newpath)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename a file, replacing an existing one."""
        self._logged("posix-rename", oldpath, super().posix_rename, oldpath, newpath, to=newpath)

    def remove(self, path: bytes) -> None:
        """Delete a file."""
        self._logged("remove", path, super().remove, path)

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Create a folder."""
        self._logged("mkdir", path, super().mkdir, path, attrs)

    def rmdir(self, path: bytes) -> None:
        """Delete a folder."""
        self._logged("rmdir", path, super().rmdir, path)

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Change a file's mode, times or length."""
        self._logged("setstat", path, super().setstat, path, attrs)

    def stat(self, path: bytes) -> Any:
        """Return a file's attributes."""
        return self._logged("stat", path, super().stat, path)

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """List a folder."""
        self._record(Event("list", shown(path)))
        async for name in super().scandir(path):
            yield name

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        """Refuse links: they could lead out of the folder."""
        raise asyncssh.SFTPPermissionDenied("links are not allowed here")

    link = symlink

    def _logged(
        self, operation: str, path: bytes, do: Callable[..., Any], *arguments: Any, to: bytes | None = None
    ) -> Any:
        target = None if to is None else shown(to)
        try:
            result = do(*arguments)
        except (OSError, asyncssh.SFTPError) as error:
            self._record(Event(operation, shown(path), target, error=type(error).__name__))
            raise
        self._record(Event(operation, shown(path), target))
        return result


def shown(path: bytes) -> str:
    """Return a client's path as the log shows it: absolute."""
    return posixpath.normpath(posixpath.join("/", path.decode("utf-8", "backslashreplace").lstrip("/")))


def main() -> None:
    """Serve the site of a checkout."""
    parser = argparse.ArgumentParser(prog="python -m demo.sftp_site", description=__doc__)
    parser.add_argument("--root", type=Path, default=HERE.root, help="the checkout whose .demo/site to serve")
    asyncio.run(serve(Layout(parser.parse_args().root)))


if __name__ == "__main__":
    main()
