"""What SSH, SFTP and the network raise, sorted into the project's own errors."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko

from persado.errors import ConfigurationError, PersadoError, RejectedError, TransientError


@contextmanager
def site_errors(doing: str) -> Iterator[None]:
    """
    Translate the errors of a step at the site.

    :param doing: how the error begins: who, and what was tried, remote path included
    :raises PersadoError: of the class that says whether another attempt can help
    """
    try:
        yield
    except PersadoError:
        raise
    except (OSError, EOFError, paramiko.SSHException) as error:
        kind, problem = _sort(error)
        raise kind(f"{doing}: {problem}") from error


def _sort(error: Exception) -> tuple[type[PersadoError], str]:
    if isinstance(error, paramiko.AuthenticationException):
        return _sort_authentication(error)
    match error:
        case paramiko.ssh_exception.IncompatiblePeer():
            return ConfigurationError, f"this site and paramiko share no algorithm ({error})"
        case socket.gaierror() if error.errno != socket.EAI_AGAIN:
            return ConfigurationError, "unknown host; check the connection's host"
        case FileNotFoundError():
            return RejectedError, "no such file or folder at the site"
        case PermissionError():
            return RejectedError, "the site does not permit it"
        case TimeoutError():
            return TransientError, "the site did not answer within the time-out"
        case paramiko.ssh_exception.NoValidConnectionsError() | ConnectionRefusedError():
            return TransientError, "nothing answers there (connection refused or no route)"
        case EOFError() | ConnectionError():
            return TransientError, "the connection was lost"
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return TransientError, "the site is out of space"
        case _:
            return TransientError, str(error) or type(error).__name__


def _sort_authentication(error: paramiko.AuthenticationException) -> tuple[type[PersadoError], str]:
    if isinstance(error, paramiko.BadAuthenticationType):
        takes = ", ".join(error.allowed_types)
        return RejectedError, f"the site does not take this kind of login; it takes: {takes}"
    text = str(error).lower()
    if "timeout" in text:
        return TransientError, "the site did not answer the login within the time-out"
    if "eof" in text or "transport shut down" in text:
        return TransientError, "the connection was lost during the login"
    return RejectedError, (
        "the site refused the login. The pass phrase, the private key or the account is wrong; it was tried once and "
        "will not be tried again by itself. Mend the connection, then clear this task"
    )
