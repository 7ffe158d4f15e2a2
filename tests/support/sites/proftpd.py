"""ProFTPD's mod_sftp as a child process, for logins with a pass phrase."""

from __future__ import annotations

import getpass
import grp
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

from support.sites.keys import public_line, ssh_key
from support.sites.sftp_server import ACCOUNT, PASS_PHRASE
from support.sites.sshd import await_listener, free_port

from persado.pipeline.site.site import Site

PROFTPD = "/usr/sbin/proftpd"


class Proftpd:
    """
    The server, running inside `with`.

    :param folder: the local folder for the tests' files; clients see the whole machine
    :param home: a folder for its configuration, keys and log
    :param options: further lines of the configuration
    """

    def __init__(self, folder: Path, home: Path, *options: str) -> None:
        self.folder = folder
        self.log = home / "sftp.log"
        self._home = home
        self._options = options
        self._host_key = ssh_key("ecdsa-sha2-nistp256", "proftpd")
        self.host_key = public_line(self._host_key)

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

    def remote(self, path: str = "") -> str:
        """Return the path that clients use for a path in the folder."""
        return str(self.folder / path)

    def __enter__(self) -> Proftpd:
        self._home.mkdir(mode=0o700, exist_ok=True)
        user = pwd.getpwuid(os.geteuid())
        host_key = self._write("host_key", self._host_key.export_private_key("pkcs1-pem").decode())
        users = self._write("users", f"{ACCOUNT}:{_hashed(PASS_PHRASE)}:{user.pw_uid}:{user.pw_gid}::/:/bin/sh\n")
        self.port = free_port()
        config = self._write(
            "proftpd.conf",
            "\n".join(
                [
                    "LoadModule mod_sftp.c",
                    "ServerType standalone",
                    "DefaultAddress 127.0.0.1",
                    f"Port {self.port}",
                    "SocketBindTight on",
                    f"User {getpass.getuser()}",
                    f"Group {grp.getgrgid(user.pw_gid).gr_name}",
                    f"PidFile {self._home / 'pid'}",
                    f"ScoreboardFile {self._home / 'scoreboard'}",
                    f"DelayTable {self._home / 'delay'}",
                    f"SystemLog {self._home / 'system.log'}",
                    "WtmpLog off",
                    "UseReverseDNS off",
                    "RequireValidShell off",
                    "RootLogin on",
                    "AuthOrder mod_auth_file.c",
                    f"AuthUserFile {users}",
                    "AllowOverwrite on",
                    "AllowStoreRestart on",
                    "Umask 022",
                    "SFTPEngine on",
                    f"SFTPHostKey {host_key}",
                    f"SFTPLog {self.log}",
                    "SFTPAuthMethods password",
                    *self._options,
                    "",
                ]
            ),
        )
        command: list[str | Path] = [PROFTPD, "--nodaemon", "--quiet", "--config", config]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        await_listener(self.port, self._process, self._home / "system.log")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.terminate()
        self._process.wait(60)

    def _write(self, name: str, text: str) -> Path:
        path = self._home / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path


def _hashed(password: str) -> str:
    command = ["openssl", "passwd", "-6", "-stdin"]
    return subprocess.run(command, input=password, capture_output=True, text=True, check=True).stdout.strip()
