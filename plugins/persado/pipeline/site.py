"""
A connection to the site: SSH and SFTP with every wait bounded, and the site's key always checked.

Neither ``ssh-agent`` nor ``~/.ssh`` is ever used: what a delivery trusts and who it is stands in its Airflow
connection alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import paramiko
import tenacity

from persado.errors import ConfigurationError, RejectedError, TransientError
from persado.pipeline.site_errors import site_errors
from persado.pipeline.ssh_keys import fingerprint, pinned_host_keys, read_private_key

DEFAULT_HOST = "psftp.persado.com"
DEFAULT_PORT = 22
CONNECT_ATTEMPTS = 3
KEEP_ALIVE = 15

# paramiko logs every failure as a traceback, line by line; what failed is in the errors raised here.
_LOG = logging.getLogger("persado.ssh")
_LOG.setLevel(logging.CRITICAL)

# RSA host keys have one name and three signature algorithms; the old SHA-1 one is left out.
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(frozen=True)
class Site:
    """
    Where and as whom to log in.

    :param login: the account, usually ``<persado_account_name>_amp``
    :param password: the pass phrase of the account
    :param private_key: a private key instead, OpenSSH or PEM form
    :param private_key_passphrase: the pass phrase of the private key
    :param host_key: the site's public keys, one a line, as ``ssh-ed25519 AAAA...`` or a line of ``known_hosts``
    :param host: the site
    :param port: its port
    :param connect_timeout: seconds to wait for the connection, the banner and the login, each
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


@contextmanager
def connect(site: Site) -> Iterator[paramiko.SFTPClient]:
    """
    Log in and give an SFTP session, closed at the end.

    A connection that is refused or dropped before the login is tried again at once, a few times, with growing
    pauses (sshd's MaxStartups does that under load). A refused login is never tried twice: it could lock the account.

    :raises ConfigurationError: for an unknown host, a key that cannot be read, no pinned host key
    :raises RejectedError: for a wrong pass phrase or key, and for a host key that is not a pinned one
    :raises TransientError: where the site is out of reach
    """
    with open_client(site) as client, site_errors(f"{site}: no SFTP session"):
        sftp = client.open_sftp()
        sftp.get_channel().settimeout(site.channel_timeout)  # type: ignore[union-attr]  # open, so it has one
        with sftp:
            yield sftp


@contextmanager
def open_client(site: Site) -> Iterator[paramiko.SSHClient]:
    """Log in and give the SSH client, closed at the end. Raises what :func:`connect` does."""
    keys = pinned_host_keys(site.host_key, site.known_as)
    arguments = _credentials(site)
    retry = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, TransientError) and _soon_over(error)),
        stop=tenacity.stop_after_attempt(CONNECT_ATTEMPTS),
        wait=tenacity.wait_exponential_jitter(initial=0.5, max=8, jitter=0.5),
        reraise=True,
    )
    client = retry(_login, site, keys, arguments)
    try:
        yield client
    finally:
        client.close()


def _soon_over(error: TransientError) -> bool:
    # A site that did not answer within the time-out has had its time; Airflow's own retries come later.
    return not isinstance(error.__cause__, TimeoutError)


def _credentials(site: Site) -> dict[str, Any]:
    if site.private_key:
        return {"pkey": read_private_key(site.private_key, site.private_key_passphrase), "password": site.password}
    if not site.password:
        raise ConfigurationError(
            f"{site}: the connection has neither a password (the pass phrase) nor the extra private_key; set one"
        )
    return {"password": site.password}


def _login(site: Site, keys: list[paramiko.PKey], arguments: dict[str, Any]) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(_Pinned(site, keys))

    def transport(*args: Any, **kwargs: Any) -> paramiko.Transport:
        made = paramiko.Transport(*args, **kwargs)
        made.set_log_channel(_LOG.name)
        options = made.get_security_options()
        # Ask for the kinds of key that are pinned first: a site with several keys must show the known one.
        first = [name for key in keys for name in _ALGORITHMS.get(key.get_name(), (key.get_name(),))]
        offered = [name for name in first if name in options.key_types]
        options.key_types = tuple(dict.fromkeys([*offered, *options.key_types]))
        return made

    try:
        with site_errors(f"{site}: cannot connect"):
            client.connect(
                site.host,
                site.port,
                site.login,
                timeout=site.connect_timeout,
                banner_timeout=site.connect_timeout,
                auth_timeout=site.connect_timeout,
                channel_timeout=site.channel_timeout,
                allow_agent=False,
                look_for_keys=False,
                compress=False,
                transport_factory=transport,
                **arguments,
            )
        client.get_transport().set_keepalive(KEEP_ALIVE)  # type: ignore[union-attr]  # connected, so it has one
    except BaseException:
        client.close()
        raise
    return client


class _Pinned(paramiko.MissingHostKeyPolicy):
    """Accept a pinned key and nothing else. The client knows no other keys, so it always asks here."""

    def __init__(self, site: Site, keys: list[paramiko.PKey]) -> None:
        self._site = site
        self._keys = keys

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        if key in self._keys:
            return
        shown = f"{key.get_name()} {fingerprint(key)}"
        if not self._keys:
            raise ConfigurationError(
                f"{self._site}: no host key is pinned, so nobody can tell this site from an impostor. It shows the key "
                f"{shown}. Compare that with what Persado tells you; if it is the same, put this line into the "
                f"connection's extra host_key: {key.get_name()} {key.get_base64()}"
            )
        pinned = ", ".join(f"{known.get_name()} {fingerprint(known)}" for known in self._keys)
        raise RejectedError(
            f"{self._site}: wrong host key: expected {pinned}, got {shown}. Nothing was sent. Either the site has a "
            "new key (ask Persado, then pin it as well) or this is not the site"
        )
