"""What SSH, SFTP and the network raise, sorted into the project's own errors."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko

from persado.errors import ConfigurationError, PersadoError, RejectedError, TransientError


class ConnectionLostError(TransientError):
    """The connection to the site broke or fell silent; a new one may do better."""


class TakenOverError(TransientError):
    """Another delivery, or another try of this one, writes the same names now: what is at the site is its own."""


@contextmanager
def site_errors(doing: str) -> Iterator[None]:
    """
    Translate the errors of a step at the site.

    :param doing: how the error begins: who, and what was tried, remote path included
    :raises PersadoError: of the class that says whether another attempt can help
    """
    try:
        yield
    except (OSError, EOFError, UnicodeDecodeError, paramiko.SSHException, paramiko.SFTPError) as error:
        kind, problem = _sort(error)
        raise kind(f"{doing}: {problem}") from error


def _sort(error: Exception) -> tuple[type[PersadoError], str]:  # noqa: C901 - a table, row by row
    match error:
        case paramiko.ssh_exception.IncompatiblePeer():
            return ConfigurationError, (
                f"this site and paramiko share no algorithm ({error}). What is broken by now is refused, such as RSA "
                "keys that sign with SHA-1 (ssh-rsa) and DSA keys: ask Persado to bring the site up to date"
            )
        case socket.gaierror() if error.errno != socket.EAI_AGAIN:
            return ConfigurationError, "unknown host; check the connection's host"
        case FileNotFoundError():
            return RejectedError, "no such file or folder at the site"
        case PermissionError():
            return RejectedError, "the site does not permit it; ask Persado to give this account the right"
        case UnicodeDecodeError():
            return RejectedError, "the site's answer is no UTF-8"
        case paramiko.SFTPError():
            return RejectedError, f"the site's answer is not SFTP ({error})"
        case TimeoutError():
            return ConnectionLostError, "the site did not answer within the time-out"
        case ConnectionRefusedError():
            return ConnectionLostError, "nothing answers there (connection refused)"
        case EOFError() | ConnectionError():
            return ConnectionLostError, "the connection was lost"
        case OSError() if is_answer(error):
            return TransientError, _answer(str(error))
        case paramiko.SSHException() if "protocol banner" in str(error):
            return ConnectionLostError, (
                "it closed the connection before it said that it is an SSH server (too many connections at once, or "
                "no SSH server)"
            )
        case OSError() if error.strerror:
            return ConnectionLostError, error.strerror
        case _:
            known = str(error).startswith(("Socket is closed", "Server connection dropped"))
            return ConnectionLostError, "the connection was lost" + ("" if known else f" ({error})")


def is_answer(error: OSError) -> bool:
    """Tell whether the site itself said no, by a status that has no number here: all that is left of it is its text."""
    return type(error) is OSError and error.errno is None and str(error) != "Socket is closed"


def _answer(text: str) -> str:
    if text.lower() in ("", "failure"):
        return "the site says only 'Failure'; often its disk is full or the account's quota is used up"
    return f"the site says: {text[:200]}"
