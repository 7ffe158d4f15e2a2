"""OpenPGP for tests: keys created by gpg, messages, and gpg's reports about them."""

import io
import re
import subprocess
from pathlib import Path
from typing import Any

from persado.pipeline.encrypt.encrypt import encrypted
from persado.pipeline.encrypt.home import GnuPGHome
from persado.pipeline.encrypt.public_key import PublicKey

PASSPHRASE = "pass phrase with $ and €"
CLEAR = "Hashed_Email,name\n0cc175b9c0f1b6a831c399e269772661,Ægir\n".encode() * 1000
LONG_AGO = "20200101T000000"


class KeyMaker:
    """A GnuPG home of the receiver or the sender, in which keys are created and messages opened."""

    def __init__(self, home: GnuPGHome) -> None:
        self.home = home

    def gpg(self, *arguments: str, data: bytes = b"", at: str | None = None, passphrase: str = "") -> bytes:
        clock = ["--faked-system-time", at] if at else []
        command = self.home.command(*clock, "--pinentry-mode", "loopback", "--passphrase", passphrase, *arguments)
        return subprocess.run(command, env=self.home.environment, input=data, capture_output=True, check=True).stdout

    def make(self, name: str, kind: str = "ed25519", usage: str = "sign", expire: str = "never", **more: Any) -> str:
        self.gpg("--quick-generate-key", f"{name} <{name.lower()}@example.com>", kind, usage, expire, **more)
        return self.parts(f"<{name.lower()}@example.com>")[0]

    def add(self, key: str, kind: str = "cv25519", usage: str = "encrypt", expire: str = "never", **more: Any) -> str:
        self.gpg("--quick-add-key", key, kind, usage, expire, **more)
        return self.parts(key)[-1]

    def parts(self, key: str) -> list[str]:
        listed = self.gpg("--with-colons", "--list-keys", key).decode()
        return re.findall(r"^fpr:+([0-9A-F]{40}):", listed, re.MULTILINE)

    def public(self, *keys: str) -> str:
        return self.gpg("--armor", "--export", *keys).decode()

    def private(self, *keys: str, passphrase: str = "") -> str:
        return self.gpg("--armor", "--export-secret-keys", *keys, passphrase=passphrase).decode()

    def edit(self, key: str, *commands: str) -> None:
        script = "\n".join([*commands, "save", ""]).encode()
        self.gpg("--yes", "--command-fd", "0", "--expert", "--edit-key", key, data=script)


def running(folder: str | Path) -> dict[int, list[str]]:
    """Return the processes whose command line contains the folder."""
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                command = (process / "cmdline").read_bytes()
            except OSError:  # it has just ended
                continue
            if str(folder).encode() in command:
                found[int(process.name)] = command.decode().split("\0")[:-1]
    return found


def encrypt(key: PublicKey, data: bytes = CLEAR, **more: Any) -> bytes:
    sink = io.BytesIO()
    with encrypted(sink, key, **more) as clear:
        clear.write(data)
    assert not sink.closed
    return sink.getvalue()


def report(maker: KeyMaker, message: bytes) -> str:
    command = maker.home.command("--decrypt")
    return subprocess.run(
        command, env=maker.home.environment, input=message, capture_output=True, check=True
    ).stderr.decode()
