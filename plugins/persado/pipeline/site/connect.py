"""
Connect to the site over SSH and SFTP. Every wait has a time-out, and the host key is always checked.

Neither ``ssh-agent`` nor ``~/.ssh`` is used: host keys and credentials come from the Airflow connection only.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko
import tenacity

from persado.backoff import growing
from persado.errors import ConfigurationError, RejectedError, TransientError
from persado.pipeline.site.deadline import at_most
from persado.pipeline.site.errors import site_errors
from persado.pipeline.site.keys import fingerprint, pinned_host_keys, read_private_key
from persado.pipeline.site.login import Credentials, log_in
from persado.pipeline.site.session import Session, close_transport
from persado.pipeline.site.site import Site

CONNECT_ATTEMPTS = 3
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
KEEP_ALIVE = 15

# paramiko logs every failure as a traceback, one record per line; the errors raised here report the same.
_LOG = logging.getLogger("persado.ssh")
_LOG.setLevel(logging.CRITICAL)

# An RSA host key has one name and three signature algorithms; the one with SHA-1 is left out.
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}

# Ciphers with hardware support come first.
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")


@contextmanager
def connect(site: Site, *, proven: bool = False) -> Iterator[Session]:
    """Yield a session (see :func:`open_session`), and close it at the end."""
    with contextlib.closing(open_session(site, proven=proven)) as session:
        yield session


def open_session(site: Site, *, proven: bool = False) -> Session:
    """
    Log in and return an SFTP session.

    A connection that is refused or dropped before the login is retried a few times with growing pauses, because sshd
    drops connections under load (MaxStartups). A refused login is never retried: that could lock the account.

    :param site: where to connect, and the account
    :param proven: whether the site has accepted these credentials before; a connection lost during the login is then
        not reported as a wrong pass phrase
    :raises ConfigurationError: for an unknown host, an unreadable key or a missing host key pin
    :raises RejectedError: for a wrong pass phrase or key, or a host key that is not pinned
    :raises TransientError: if the site cannot be reached
    """
    host_keys = pinned_host_keys(site.host_key, site.known_as)
    credentials = _credentials(site, proven=proven)
    retry = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, TransientError) and _is_brief(error)),
        stop=tenacity.stop_after_attempt(CONNECT_ATTEMPTS),
        wait=growing(FIRST_PAUSE, LONGEST_PAUSE),
        reraise=True,
    )
    return retry(_open, site, host_keys, credentials)


def _is_brief(error: TransientError) -> bool:
    # After a time-out, leave the next attempt to Airflow's own retries.
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
        close_transport(transport)
        raise


def _dial(site: Site) -> socket.socket:
    try:
        connection = socket.create_connection((site.host, site.port), site.connect_timeout)
    except (UnicodeError, OverflowError):
        raise ConfigurationError(f"{site}: invalid host or port; check the connection") from None
    # Send small requests at once, without waiting for the acknowledgement of the previous packet.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # paramiko's socket writes have no time-out; this ends them if the site stops reading.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(site.channel_timeout * 1000))
    return connection


def _transport(connection: socket.socket, site: Site, host_keys: list[paramiko.PKey]) -> paramiko.Transport:
    transport = paramiko.Transport(connection)
    transport.set_log_channel(_LOG.name)
    # Longer than this module's own time-outs, so that those expire first.
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = site.connect_timeout + 5
    options = transport.get_security_options()
    # Request the pinned key types first: a site with several keys must present the pinned one.
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
            f"{site}: no host key is pinned, so the site's identity cannot be checked. Its key is {shown}. Compare it "
            "with the key that Persado gives you; if they match, put this line into the connection's extra "
            f"host_key: {key.get_name()} {key.get_base64()}"
        )
    expected = ", ".join(f"{known.get_name()} {fingerprint(known)}" for known in pinned)
    raise RejectedError(
        f"{site}: wrong host key: expected {expected}, got {shown}. Nothing was sent. Ask Persado "
        "whether the site's key has changed; if so, pin the new key as well"
    )


def _sftp(transport: paramiko.Transport, site: Site) -> Session:
    try:
        channel = transport.open_session()
        channel.settimeout(site.channel_timeout)
        channel.invoke_subsystem("sftp")
        return Session(channel)
    except (paramiko.SSHException, paramiko.SFTPError) as error:
        # After a lost connection, paramiko's thread needs a moment to notice.
        transport.join(0.5)
        if not transport.is_active():
            raise
        raise RejectedError(
            f"{site}: the login worked, but the site did not open an SFTP session ({error}). Ask Persado to check that "
            "the account may use SFTP, and that its start-up files print nothing"
        ) from error
