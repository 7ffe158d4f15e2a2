"""OpenSSH's server as a child process, for logins of the current user with a public key."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from support.sites.keys import private_text, public_line, ssh_key

from persado.pipeline.site.site import Site

SSHD = "/usr/sbin/sshd"


class Sshd:
    """
    The server, running inside `with`.

    :param folder: the local folder for the tests' files; clients see the whole machine
    :param home: a folder for its configuration, keys and log
    :param options: further lines of the configuration
    """

    def __init__(self, folder: Path, home: Path, *options: str) -> None:
        self.folder = folder
        self.log = home / "sshd.log"
        self._home = home
        self._options = options
        # Airflow's own hook, which the benchmark compares with, reads only some of the ECDSA keys that asyncssh writes.
        self._key = ssh_key("ssh-ed25519", "client")
        self.host_key = public_line(ssh_key("ssh-ed25519", "sshd"))

    def site(self, **fields: Any) -> Site:
        """Return the site, with time-outs fit for tests."""
        return Site(
            **{
                "login": getpass.getuser(),
                "private_key": private_text(self._key),
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

    def __enter__(self) -> Sshd:
        self._home.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            # sshd requires it; Debian creates it at boot.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        host_key = self._write("host_key", private_text(ssh_key("ssh-ed25519", "sshd")))
        known = self._write("authorized_keys", public_line(self._key) + "\n")
        self.port = free_port()
        config = self._write(
            "sshd_config",
            "\n".join(
                [
                    f"Port {self.port}",
                    "ListenAddress 127.0.0.1",
                    f"HostKey {host_key}",
                    f"PidFile {self._home / 'sshd.pid'}",
                    f"AuthorizedKeysFile {known}",
                    "AuthenticationMethods publickey",
                    "PermitRootLogin prohibit-password",
                    "StrictModes no",
                    "UsePAM no",
                    "UseDNS no",
                    "LogLevel VERBOSE",
                    "Subsystem sftp internal-sftp",
                    *self._options,
                    "",
                ]
            ),
        )
        self._process = subprocess.Popen([SSHD, "-D", "-f", config, "-E", self.log], stdin=subprocess.DEVNULL)
        await_listener(self.port, self._process, self.log)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.terminate()
        self._process.wait(60)

    def _write(self, name: str, text: str) -> Path:
        path = self._home / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def await_listener(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a started server accepts connections."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"the server did not start: {log.read_text() if log.exists() else 'no log'}")
