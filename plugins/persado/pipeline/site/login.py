"""Log in with one attempt for each secret: a site may lock an account after a few wrong ones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import paramiko
from paramiko.auth_handler import AuthHandler

from persado.errors import RejectedError
from persado.pipeline.site.keys import fingerprint

_NOT_AGAIN = "it was tried once and will not be tried again by itself. Mend the connection, then clear the failed task"


@dataclass(frozen=True)
class Credentials:
    """
    Who logs in, and by what.

    :param site: where; errors begin with it
    :param login: the account
    :param key: its private key
    :param password: its pass phrase
    :param proven: whether the site has taken them before
    """

    site: str
    login: str
    key: paramiko.PKey | None = field(repr=False)
    password: str | None = field(repr=False)
    proven: bool = False


def log_in(transport: paramiko.Transport, credentials: Credentials) -> None:
    """
    Log in by the private key, the pass phrase, or both where the site asks for both.

    The site is asked first what it takes, so that no secret goes to a site that has no use for it; who has nothing but
    a key, which stays secret, spares that round trip.

    :raises RejectedError: if the site says no
    :raises OSError: if the connection breaks
    """
    attempt = _Attempt(transport, credentials)
    transport.auth_handler = attempt
    takes: Sequence[str] = ["publickey"] if credentials.password is None else attempt.step("none")
    if credentials.key is not None and "publickey" in takes:
        takes = attempt.step("publickey", credentials.key)
    if credentials.password is not None:
        if "password" in takes:
            takes = attempt.step("password", credentials.password)
        elif "keyboard-interactive" in takes:
            takes = attempt.step("interactive", attempt.answer)
    if takes:
        tried = "" if credentials.key is None else f". Private key {fingerprint(credentials.key)} was not enough"
        raise RejectedError(
            f"{credentials.site}: the site takes the login by {', '.join(takes)}, which this connection does not "
            "have (publickey is the extra private_key; password and keyboard-interactive are the pass phrase)" + tried
        )


class _Attempt(AuthHandler):
    """
    paramiko's side of a login in several steps, mended.

    paramiko asks for the service "ssh-userauth" anew at every step, whereupon some servers break off; and it tells a
    refusal from a lost connection by text only.
    """

    def __init__(self, transport: paramiko.Transport, credentials: Credentials) -> None:
        super().__init__(transport)
        self._credentials = credentials
        self._service_asked = self._answered = self._refused = False

    def step(self, method: str, *secret: Any) -> Sequence[str]:
        """Try one method; give what the site takes next, nothing when it is content."""
        self._refused = False
        answered = threading.Event()
        if not self.transport.is_active():  # the secret would not leave this machine
            raise ConnectionResetError
        try:
            getattr(self, f"auth_{method}")(self._credentials.login, *secret, answered)
            return self.wait_for_response(answered)
        except (paramiko.SSHException, OSError, EOFError) as error:
            if method in ("none", "publickey") and isinstance(error, paramiko.BadAuthenticationType):
                return error.allowed_types
            # The answer to "none" always is a no; that the connection broke after it is nothing that the site said.
            if self._refused and (method != "none" or self.transport.is_active()):
                raise self._refusal(method) from error
            if method in ("none", "publickey") or self._credentials.proven:
                raise ConnectionResetError from error
            raise RejectedError(
                f"{self._credentials.site}: the site broke off instead of answering the login. Some sites do so when "
                f"the pass phrase is wrong or has expired, so {_NOT_AGAIN}"
            ) from error

    def answer(self, title: str, instructions: str, fields: Sequence[tuple[str, bool]]) -> list[str]:
        """Answer the site's question for the pass phrase, once."""
        if not fields:
            return []
        if self._answered or len(fields) > 1:
            self._refused = True
            raise paramiko.AuthenticationException("the site asks again, or for something else")
        self._answered = True
        return [self._credentials.password or ""]

    def _refusal(self, method: str) -> RejectedError:
        key = self._credentials.key
        what = f"private key {fingerprint(key)}" if method == "publickey" and key else "pass phrase"
        return RejectedError(
            f"{self._credentials.site}: the site refused the login. The {what} or the account is wrong; {_NOT_AGAIN}"
        )

    def _request_auth(self) -> None:
        if self._service_asked:
            accepted = paramiko.Message()
            accepted.add_string("ssh-userauth")
            accepted.rewind()
            self._parse_service_accept(accepted)  # type: ignore[attr-defined]  # not in the type stubs
        else:
            self._service_asked = True
            super()._request_auth()  # type: ignore[misc]  # not in the type stubs

    def _parse_userauth_failure(self, m: paramiko.Message) -> None:
        self._refused = True
        super()._parse_userauth_failure(m)  # type: ignore[misc]  # not in the type stubs
