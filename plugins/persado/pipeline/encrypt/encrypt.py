"""Encrypt: stream bytes through gpg into the sink, as an OpenPGP message to one pinned key."""

from __future__ import annotations

import fcntl
import io
import os
import subprocess
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO, cast

from persado.errors import ConfigurationError, RejectedError, TransientError
from persado.pipeline.encrypt.home import GnuPGHome, gnupg_home
from persado.pipeline.encrypt.listing import add_keys
from persado.pipeline.encrypt.packets import recipients
from persado.pipeline.encrypt.public_key import PublicKey
from persado.pipeline.encrypt.signing_key import SigningKey, add_signing_key
from persado.pipeline.stage.artifact import Sink

if TYPE_CHECKING:
    from typing_extensions import Buffer  # in collections.abc from Python 3.12 on

_BLOCK = 1 << 20
# The encoding stage compresses, and the message contains no file name. The algorithms are explicit because gpg would
# follow the preferences of an old key: Triple-DES, too weak for gigabytes, and SHA-1, which receivers refuse.
_ENCRYPT = (
    *("--encrypt", "--no-encrypt-to", "--compress-algo", "none", "--set-filename", ""),
    *("--cipher-algo", "AES256", "--digest-algo", "SHA512"),
)
_REFUSALS = {"3": "it cannot encrypt", "4": "it is revoked", "5": "it is expired", "13": "it is disabled"}


@contextmanager
def encrypted(
    sink: Sink, key: PublicKey, *, armor: bool = False, signing: SigningKey | None = None
) -> Iterator[BinaryIO]:
    """
    Encrypt what is written into the yielded file, and write the message to the sink.

    If anything fails, gpg is killed, so the message in the sink has no valid end. Errors of the block and of the sink
    are raised unchanged. The sink is left open.

    :param sink: receives the OpenPGP message, from another thread, until the block has ended
    :param armor: write ASCII armor instead of binary
    :param signing: the sender's key, to sign with
    :raises ConfigurationError: if the signing key cannot sign, or gpg refuses the public key
    :raises RejectedError: if gpg's output is not encrypted to the pinned key alone; nothing of it reached the sink
    :raises TransientError: if gpg stopped early
    """
    with gnupg_home(agent=signing is not None) as home:
        arguments = [*_ENCRYPT, "--recipient", f"{key.encryption_fingerprint}!"]
        if armor:
            arguments.append("--armor")
        if signing:
            arguments += ["--sign", "--local-user", add_signing_key(home, signing)]
        add_keys(home, key.material, str(key))
        gpg = _Gpg(home, arguments, signing, key, sink)
        clear = io.BufferedWriter(gpg, _BLOCK)
        try:
            yield clear
            clear.close()
            gpg.finish()
        finally:
            gpg.end()
            clear.close()


class _Gpg(io.RawIOBase):
    """
    A running gpg: writes go to its input, and a thread copies its output to the sink.

    Closing this file, as a wrapper may do, does not end gpg's input: gpg would complete half a message.
    """

    def __init__(
        self, home: GnuPGHome, arguments: list[str], signing: SigningKey | None, key: PublicKey, sink: Sink
    ) -> None:
        super().__init__()
        self._key, self._sink = key, sink
        self._expected = {"END_ENCRYPTION", "SIG_CREATED"} if signing else {"END_ENCRYPTION"}
        self._statuses: dict[str, str] = {}
        self._log: deque[str] = deque(maxlen=3)
        self._error: BaseException | None = None
        self._checked = self._ended = False
        with _passphrase_pipe(signing) as (options, pipes):
            self._process = subprocess.Popen(
                home.command(*options, *arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=home.environment,
                pass_fds=pipes,
            )
        streams = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._input, self._output, self._reports = (cast("BinaryIO", stream) for stream in streams)
        for stream in (self._input, self._output):
            _enlarge(stream)
        self._threads = [Thread(target=work, daemon=True) for work in (self._copy, self._listen)]
        for thread in self._threads:
            thread.start()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Pass data to gpg; after :meth:`end`, drop it."""
        if self._ended:
            return memoryview(data).nbytes
        with suppress(BrokenPipeError):
            return os.write(self._input.fileno(), data)
        raise self._reason()

    def finish(self) -> None:
        """End the input, and wait until the sink has everything and gpg has reported success."""
        self._input.close()
        for thread in self._threads:
            thread.join()
        reported = self._expected <= self._statuses.keys()
        if self._error or self._process.wait() != 0 or not (reported and self._checked):
            raise self._reason()

    def end(self) -> None:
        """Kill gpg if it still runs, before its input closes, and stop writing to the sink."""
        self._ended = True
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        for stream in (self._input, self._output, self._reports):
            stream.close()

    def _copy(self) -> None:
        """Check the first bytes of gpg's output, then copy all of it to the sink."""
        try:
            while (block := self._output.read(_BLOCK)) and not self._ended:
                if not self._checked and not self._check(block):
                    break
                rest = memoryview(block)
                while rest:  # an unbuffered file may write only a part
                    rest = rest[self._sink.write(rest) or len(rest) :]
        except BaseException as error:
            self._error = error
            self._process.kill()

    def _check(self, head: bytes) -> bool:
        """Check that the message is encrypted to the pinned key alone, without relying on gpg's report."""
        found = recipients(head)
        if found is None and len(head) < _BLOCK:
            return False  # gpg stopped at once; its exit code and log give the reason
        if found != [self._key.encryption_fingerprint[-16:]]:
            raise RejectedError(
                f"the output of gpg is not encrypted to key {self._key} alone; nothing of it was sent."
                " Check which program runs as gpg on this machine (command -v gpg)."
            )
        self._checked = True
        return True

    def _listen(self) -> None:
        """Collect gpg's status lines and the end of its log."""
        for line in self._reports:
            text = line.decode("utf-8", "replace").strip()
            if text.startswith("[GNUPG:] "):
                keyword, _, rest = text.removeprefix("[GNUPG:] ").partition(" ")
                self._statuses[keyword] = rest
            else:
                self._log.append(text.removeprefix("gpg: "))

    def _reason(self) -> BaseException:
        """Wait until gpg has ended, and return the error that explains why."""
        code = self._process.wait()
        for thread in self._threads:
            thread.join()
        if self._error:
            return self._error
        words = f" It reported: {'; '.join(self._log)}." if self._log else ""
        if "INV_RECP" in self._statuses:
            refusal = _REFUSALS.get(self._statuses["INV_RECP"].split()[0], "it is unusable")
            return ConfigurationError(
                f"gpg refuses to encrypt to key {self._key}: {refusal}.{words} Ask the receiver for a current key."
            )
        end = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
        return TransientError(f"gpg {end} while encrypting to key {self._key}.{words} Run the delivery again.")


@contextmanager
def _passphrase_pipe(signing: SigningKey | None) -> Iterator[tuple[list[str], list[int]]]:
    """Yield gpg's options and the pipe for a passphrase, which appears neither in arguments nor in the environment."""
    if signing is None:
        yield [], []
        return
    reader, writer = os.pipe()
    try:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write((signing.passphrase or "").encode() + b"\n")
        yield ["--pinentry-mode", "loopback", "--passphrase-fd", str(reader)], [reader]
    finally:
        os.close(reader)


def _enlarge(pipe: BinaryIO) -> None:
    """Let a pipe hold a whole block, if the system allows it: this saves context switches."""
    with suppress(AttributeError, OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _BLOCK)
