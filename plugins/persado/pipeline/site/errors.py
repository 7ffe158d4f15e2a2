"""Translate the errors of SSH, SFTP and the network into the project's own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko

from persado.errors import ConfigurationError, PersadoError, RejectedError, TransientError


class ConnectionLostError(TransientError):
    """The connection to the site broke or timed out; a new one may work."""


@contextmanager
def site_errors(failed: str) -> Iterator[None]:
    """
    Translate the errors of an operation at the site.

    :param failed: the beginning of the message: what failed, with the remote path
    :raises PersadoError: in the subclass that says whether another try can help
    """
    try:
        yield
    except (OSError, EOFError, UnicodeDecodeError, paramiko.SSHException, paramiko.SFTPError) as error:
        kind, problem = _classify(error)
        raise kind(f"{failed}: {problem}") from error


def _classify(error: Exception) -> tuple[type[PersadoError], str]:  # noqa: C901 - a table
    match error:
        case paramiko.ssh_exception.IncompatiblePeer():
            return ConfigurationError, (
                f"this site and paramiko share no algorithm ({error}). Broken algorithms are refused, such as RSA "
                "signatures with SHA-1 (ssh-rsa) and DSA keys. Ask Persado to update the site"
            )
        case socket.gaierror() if error.errno != socket.EAI_AGAIN:
            return ConfigurationError, "unknown host; check the connection's host"
        case FileNotFoundError():
            return RejectedError, "no such file or folder at the site"
        case PermissionError():
            return RejectedError, "the site does not permit it; ask Persado to grant this account the permission"
        case UnicodeDecodeError():
            return RejectedError, "the site's response is not valid UTF-8"
        case paramiko.SFTPError():
            return RejectedError, f"the site sent an invalid SFTP response ({error})"
        case TimeoutError():
            return ConnectionLostError, "the site did not answer within the time-out"
        case ConnectionRefusedError():
            return ConnectionLostError, "the connection was refused; check the connection's host and port"
        case EOFError() | ConnectionError():
            return ConnectionLostError, "the connection was lost"
        case OSError() if is_status_error(error):
            return TransientError, _status_text(str(error))
        case paramiko.SSHException() if "protocol banner" in str(error):
            return ConnectionLostError, (
                "the connection was closed before an SSH banner arrived. sshd does this at its limit of connections "
                "(MaxStartups); so does a server that does not speak SSH"
            )
        case OSError() if error.strerror:
            return ConnectionLostError, error.strerror
        case _:
            known = str(error).startswith(("Socket is closed", "Server connection dropped"))
            return ConnectionLostError, "the connection was lost" + ("" if known else f" ({error})")


def is_status_error(error: OSError) -> bool:
    """Return whether the site reported a failure by a status that paramiko keeps only as text."""
    return type(error) is OSError and error.errno is None and str(error) != "Socket is closed"


def _status_text(text: str) -> str:
    if text.lower() in ("", "failure"):
        return (
            "the site says only 'Failure'. SFTP reports a full disk and an exceeded quota this way, too; ask Persado "
            "to check both"
        )
    return f"the site says: {text[:200]}"
