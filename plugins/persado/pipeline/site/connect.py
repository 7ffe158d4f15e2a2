"""
A connection to the site: SSH and SFTP with every wait bounded, and the site's key always checked.

Neither ``ssh-agent`` nor ``~/.ssh`` is ever used: what a delivery trusts and who it is stands in its Airflow
connection alone.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import paramiko
import tenacity
from paramiko.sftp import CMD_ATTRS, CMD_EXTENDED, CMD_STAT, CMD_STATUS, CMD_WRITE, int64

from persado.errors import ConfigurationError, RejectedError, TransientError
from persado.pipeline.site.deadline import at_most
from persado.pipeline.site.errors import site_errors
from persado.pipeline.site.keys import fingerprint, pinned_host_keys, read_private_key
from persado.pipeline.site.listing import Listing
from persado.pipeline.site.login import Credentials, log_in

if TYPE_CHECKING:
    from typing_extensions import Buffer  # in collections.abc from Python 3.12 on

DEFAULT_HOST = "psftp.persado.com"
DEFAULT_PORT = 22
CONNECT_ATTEMPTS = 3
FIRST_PAUSE = 0.5
KEEP_ALIVE = 15

# paramiko logs every failure as a traceback, line by line; what failed is in the errors raised here.
_LOG = logging.getLogger("persado.ssh")
_LOG.setLevel(logging.CRITICAL)

# RSA host keys have one name and three signature algorithms; the old SHA-1 one is left out.
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
# What the processor does in hardware goes first.
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")


@dataclass(frozen=True)
class Site:
    """
    Where and as whom to log in.

    :param login: the account, usually ``<persado_account_name>_amp``
    :param password: the pass phrase of the account
    :param private_key: a private key instead, OpenSSH or PEM form; with a password as well, the password is only used
        where the site asks for both, or takes no keys
    :param private_key_passphrase: the pass phrase of the private key
    :param host_key: the site's public keys, one a line, as ``ssh-ed25519 AAAA...`` or a line of ``known_hosts``
    :param host: the site
    :param port: its port
    :param connect_timeout: seconds to wait for the connection, for the agreement on keys and for the login, each
    :param channel_timeout: seconds to wait for any single answer of the site
    """

    login: str
    password: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    private_key_passphrase: str | None = field(default=None, repr=False)
    host_key: str = ""
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    connect_timeout: float = 10.0
    channel_timeout: float = 60.0

    def __str__(self) -> str:
        return f"{self.login}@{self.host}:{self.port}"

    @property
    def known_as(self) -> str:
        """The site's name in ``known_hosts``."""
        return self.host if self.port == DEFAULT_PORT else f"[{self.host}]:{self.port}"


class Session(Listing):
    """An SFTP session that owns its connection: closing it closes the connection."""

    def __init__(self, channel: paramiko.Channel) -> None:
        super().__init__(channel)
        self._transport = channel.get_transport()
        self._ahead: dict[object, _Answer] = {}

    @property
    def request_size(self) -> int:
        """How many bytes one request to write may carry: what the protocol grants, and more where more is known."""
        return 261_120 if "OpenSSH" in self._transport.remote_version else paramiko.SFTPFile.MAX_REQUEST_SIZE

    def ask_to_write(self, asking: object, handle: Any, offset: int, data: Buffer) -> int:
        """
        Send a request to write, and wait for nothing.

        :param asking: gets the answer from :meth:`take_answer`, in its ``_async_response``
        :param handle: the open file's
        :param offset: where in the file
        :param data: at most :attr:`request_size` bytes
        :return: the number that the answer will carry
        """
        number: int = self._async_request(asking, CMD_WRITE, handle, int64(offset), data)  # type: ignore[attr-defined]
        return number

    def take_answer(self) -> None:
        """Wait for the site's next answer, and give it to whoever asked."""
        self._read_response()  # type: ignore[attr-defined]  # not in the type stubs, like the others

    def check_answer(self, kind: int, message: paramiko.Message) -> None:
        """
        Look at the answer to a request that has no result.

        :raises OSError: if the site says no
        """
        if kind != CMD_STATUS:
            raise paramiko.SFTPError("expected a status")
        self._convert_status(message)  # type: ignore[attr-defined]

    @contextmanager
    def looking_ahead(self, paths: Iterable[str], extended: Iterable[tuple[str, str]] = ()) -> Iterator[None]:
        """
        Ask what is under some paths, and more, all at once; whoever asks first in the block takes the answer.

        :param paths: those that are looked at in the block
        :param extended: questions for :meth:`extended`
        """
        with site_errors("cannot look at the site's files"):
            for path in paths:
                self._ask_ahead(path, CMD_STAT, self._adjust_cwd(path))  # type: ignore[attr-defined]
            for question in extended:
                self._ask_ahead(question, CMD_EXTENDED, *question)
        try:
            yield
        finally:
            self._ahead.clear()

    def stat(self, path: bytes | str) -> paramiko.SFTPAttributes:
        """Tell what is under a path."""
        if path not in self._ahead:
            return super().stat(path)
        kind, message = self._take_ahead(path)
        if kind != CMD_ATTRS:
            raise paramiko.SFTPError("expected attributes")
        found: paramiko.SFTPAttributes = paramiko.SFTPAttributes._from_msg(message)  # type: ignore[attr-defined]  # noqa: SLF001
        return found

    def extended(self, extension: str, *arguments: object) -> paramiko.Message:
        """Ask for something that the protocol leaves to extensions."""
        question = (extension, *arguments)
        if question in self._ahead:
            return self._take_ahead(question)[1]
        answer: paramiko.Message = self._request(CMD_EXTENDED, *question)[1]  # type: ignore[attr-defined]
        return answer

    def _ask_ahead(self, question: object, *request: object) -> None:
        self._ahead[question] = answer = _Answer()
        self._async_request(answer, *request)  # type: ignore[attr-defined]

    def _take_ahead(self, question: object) -> tuple[int, paramiko.Message]:
        answer = self._ahead.pop(question)
        while answer.message is None:
            self.take_answer()
        if answer.kind == CMD_STATUS:
            self._convert_status(answer.message)  # type: ignore[attr-defined]
        return answer.kind, answer.message

    @property
    def open_still(self) -> bool:
        """Whether it can be used, as far as this side knows."""
        return self._transport.is_active() and not self.sock.closed

    def close(self) -> None:
        """End the session and its connection; fine if they have ended."""
        _close(self._transport)


@dataclass
class _Answer:
    """The answer to a question, as soon as it is there."""

    kind: int = 0
    message: paramiko.Message | None = None

    def _async_response(self, kind: int, message: paramiko.Message, _number: int) -> None:
        self.kind, self.message = kind, message


@contextmanager
def connect(site: Site, *, proven: bool = False) -> Iterator[Session]:
    """Give a session (see :func:`open_session`) that is closed at the end."""
    with contextlib.closing(open_session(site, proven=proven)) as session:
        yield session


def open_session(site: Site, *, proven: bool = False) -> Session:
    """
    Log in and give an SFTP session.

    A connection that is refused or dropped before the login is tried again at once, a few times, with growing
    pauses (sshd's MaxStartups does that under load). A refused login is never tried twice: it could lock the account.

    :param site: where and as whom
    :param proven: whether the site has taken this login before, so that a connection that breaks in the middle of
        the login is no sign of a wrong pass phrase
    :raises ConfigurationError: for an unknown host, a key that cannot be read, no pinned host key
    :raises RejectedError: for a wrong pass phrase or key, and for a host key that is not a pinned one
    :raises TransientError: where the site is out of reach
    """
    host_keys = pinned_host_keys(site.host_key, site.known_as)
    credentials = _credentials(site, proven=proven)
    retry = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, TransientError) and _soon_over(error)),
        stop=tenacity.stop_after_attempt(CONNECT_ATTEMPTS),
        wait=tenacity.wait_exponential_jitter(multiplier=FIRST_PAUSE, max=8, jitter=FIRST_PAUSE),
        reraise=True,
    )
    return retry(_open, site, host_keys, credentials)


def _soon_over(error: TransientError) -> bool:
    # A site that did not answer within the time-out has had its time; Airflow's own retries come later.
    return not isinstance(error.__cause__, TimeoutError)


def _credentials(site: Site, *, proven: bool) -> Credentials:
    key = read_private_key(site.private_key, site.private_key_passphrase) if site.private_key else None
    if key is None and not site.password:
        raise ConfigurationError(
            f"{site}: the connection has neither a password (the pass phrase) nor the extra private_key; set one"
        )
    return Credentials(site=str(site), login=site.login, key=key, password=site.password or None, proven=proven)


def _open(site: Site, host_keys: list[paramiko.PKey], credentials: Credentials) -> Session:
    with site_errors(f"{site}: cannot connect"):
        connection = _dial(site)
        transport = _transport(connection, site, host_keys)
    try:
        with site_errors(f"{site}: cannot connect"):
            with at_most(site.connect_timeout, transport):
                transport.start_client()
            _check_host_key(site, host_keys, transport.get_remote_server_key())
        with site_errors(f"{site}: cannot log in"), at_most(site.connect_timeout, transport):
            log_in(transport, credentials)
        transport.set_keepalive(KEEP_ALIVE)
        with site_errors(f"{site}: no SFTP session"), at_most(site.channel_timeout, transport):
            return _sftp(transport, site)
    except BaseException:
        _close(transport)
        raise


def _dial(site: Site) -> socket.socket:
    try:
        connection = socket.create_connection((site.host, site.port), site.connect_timeout)
    except (UnicodeError, OverflowError):
        raise ConfigurationError(f"{site}: this is no host and port; check the connection") from None
    # A small request goes out at once, whether the site has confirmed the one before or not.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # paramiko's own writes to the network wait for ever; this bounds them where the site stops reading.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(site.channel_timeout * 1000))
    return connection


def _transport(connection: socket.socket, site: Site, host_keys: list[paramiko.PKey]) -> paramiko.Transport:
    transport = paramiko.Transport(connection)
    transport.set_log_channel(_LOG.name)
    # The time-outs of this module come first.
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = site.connect_timeout + 5
    options = transport.get_security_options()
    # Ask for the kinds of key that are pinned first: a site with several keys must show the known one.
    pinned = [name for key in host_keys for name in _ALGORITHMS.get(key.get_name(), (key.get_name(),))]
    options.key_types = tuple(dict.fromkeys([*pinned, *options.key_types]))
    options.ciphers = tuple(dict.fromkeys([*_CIPHERS, *options.ciphers]))
    return transport


def _check_host_key(site: Site, pinned: list[paramiko.PKey], key: paramiko.PKey) -> None:
    if key in pinned:
        return
    shown = f"{key.get_name()} {fingerprint(key)}"
    if not pinned:
        raise ConfigurationError(
            f"{site}: no host key is pinned, so nobody can tell this site from an impostor. It shows the key {shown}. "
            "Compare that with what Persado tells you; if it is the same, put this line into the connection's extra "
            f"host_key: {key.get_name()} {key.get_base64()}"
        )
    expected = ", ".join(f"{known.get_name()} {fingerprint(known)}" for known in pinned)
    raise RejectedError(
        f"{site}: wrong host key: expected {expected}, got {shown}. Nothing was sent. Either the site has a new key "
        "(ask Persado, then pin it as well) or this is not the site"
    )


def _sftp(transport: paramiko.Transport, site: Site) -> Session:
    try:
        channel = transport.open_session()
        channel.settimeout(site.channel_timeout)
        channel.invoke_subsystem("sftp")
        return Session(channel)
    except (paramiko.SSHException, paramiko.SFTPError) as error:
        # Where the connection broke, it takes paramiko's thread a moment to notice.
        transport.join(0.5)
        if not transport.is_active():
            raise
        raise RejectedError(
            f"{site}: the login worked, but the site opens no SFTP session ({error}). The account may lack the right "
            "to use SFTP, or the site's start-up files print something"
        ) from error


def _close(transport: paramiko.Transport) -> None:
    # Without this a timer of paramiko's lives on.
    transport.packetizer.complete_handshake()
    # paramiko's thread looks ten times a second whether it is to end; that the connection has, it sees at once.
    with contextlib.suppress(OSError):
        transport.sock.shutdown(socket.SHUT_RDWR)
    transport.close()
    transport.sock.close()
    if transport.is_alive():
        transport.join(1)
