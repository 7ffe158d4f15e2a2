"""A temporary GnuPG home: it holds the keys of one ``with`` block, and is removed with its agent afterwards."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import gnupg

from persado.errors import ConfigurationError

# python-gnupg writes the first bytes of keys, private ones too, to its DEBUG log. This package raises gpg's errors.
logging.getLogger("gnupg").addFilter(lambda record: False)

_OPTIONS = ("--no-options", "--trust-model", "always", "--no-auto-key-locate", "--disable-dirmngr")
# No smartcards. A fixed s2k-count, because the agent would spend seconds measuring to choose one.
_AGENT_OPTIONS = "disable-scdaemon\ns2k-count 65011712\n"
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH")
# The agent's socket is in the home, and its full path must stay below 108 bytes.
_LONGEST_TEMPORARY_FOLDER = 60
_PREFIX = "persado-gpg-"
# Seconds after which a home is locked, unless its process was killed.
_LOCKED_AFTER = 60


@dataclass(frozen=True)
class GnuPGHome:
    """
    A private folder that gpg uses as its home.

    :param path: the folder
    :param program: the path of gpg
    :param has_agent: whether gpg may start an agent here; only private keys need one
    """

    path: Path
    program: str
    has_agent: bool

    @property
    def environment(self) -> dict[str, str]:
        """The environment of gpg. The other variables may hold secrets, and gpg does not need them."""
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return {**passed_on, "LC_ALL": "C.UTF-8", "GNUPGHOME": str(self.path)}

    @property
    def options(self) -> Sequence[str]:
        """The options of every call."""
        return _OPTIONS if self.has_agent else (*_OPTIONS, "--no-autostart")

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a gpg that does not prompt and reports its status on standard error."""
        fixed = ("--homedir", str(self.path), "--batch", "--no-tty", "--status-fd", "2", *self.options)
        return [self.program, *fixed, *arguments]

    def keyring(self) -> gnupg.GPG:
        """Return python-gnupg for this home."""
        # In cp437 every byte is a printable character, so any user ID is read correctly. In the default, latin-1,
        # 0x85 is a line end: it cuts a user ID with "Å" in two and loses all subkeys after one with "充".
        return gnupg.GPG(
            gpgbinary=self.program,
            gnupghome=str(self.path),
            options=list(self.options),
            env=self.environment,
            encoding="cp437",
        )


@contextmanager
def gnupg_home(*, agent: bool = False) -> Iterator[GnuPGHome]:
    """
    Create a home, and remove it with its contents when the block ends. Also remove homes of killed processes.

    :param agent: allow gpg to start its agent, which private keys need; the agent is stopped as well
    :raises ConfigurationError: if GnuPG is not installed
    """
    program = shutil.which("gpg")
    if program is None or shutil.which("gpgconf") is None:
        raise ConfigurationError(
            "gpg or gpgconf is not on the PATH; encryption needs both. Install GnuPG (Debian package gnupg)."
        )
    folder = tempfile.gettempdir()
    if len(folder) > _LONGEST_TEMPORARY_FOLDER:
        folder = "/tmp"  # noqa: S108 - the folder made in it has a random name and mode 0700
    _sweep(Path(folder), program)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=folder) as path, _locked(path):
        home = GnuPGHome(Path(path), program, agent)
        (home.path / "gpg-agent.conf").write_text(_AGENT_OPTIONS)
        try:
            yield home
        finally:
            _end(home)


def _sweep(folder: Path, program: str) -> None:
    """Remove the homes of processes that were killed. A running process holds the lock of its home."""
    for path in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            found = path.lstat()
            if found.st_uid == os.geteuid() and time.time() - found.st_mtime > _LOCKED_AFTER:
                with _locked(path):
                    _end(GnuPGHome(path, program, has_agent=True))
                    shutil.rmtree(path)


@contextmanager
def _locked(path: str | Path) -> Iterator[None]:
    """Hold a folder's lock. The system releases it when the process ends, even if it is killed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _end(home: GnuPGHome) -> None:
    """Stop the processes that use a home."""
    if home.has_agent:
        _gpgconf(home, "--kill", "all")
    # If /run/user/<uid> exists, every gpg creates a folder for sockets there.
    _gpgconf(home, "--remove-socketdir")


def _gpgconf(home: GnuPGHome, *arguments: str) -> None:
    command = ["gpgconf", "--homedir", str(home.path), *arguments]
    subprocess.run(command, check=False, env=home.environment, capture_output=True)
