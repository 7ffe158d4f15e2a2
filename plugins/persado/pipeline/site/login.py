"""Log in with one attempt per secret: a site may lock an account after a few wrong ones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import paramiko
from paramiko.auth_handler import AuthHandler

from persado.errors import RejectedError
from persado.pipeline.site.keys import fingerprint

_TRIED_ONCE = "It was tried once and is not retried. Correct the connection, then clear the failed task"


@dataclass(frozen=True)
class Credentials:
    """
    An account and its secrets.

    :param site: the site's name, for error messages
    :param proven: whether the site has accepted them before
    """

    site: str
    login: str
    key: paramiko.PKey | None = field(repr=False)
    password: str | None = field(repr=False)
    proven: bool = False


def log_in(transport: paramiko.Transport, credentials: Credentials) -> None:
    """
    Log in with the private key, the pass phrase, or both if the site requires both.

    First query which methods the site accepts, so that it is sent no secret that it does not use. With a key only, skip
    the query: a login by key does not reveal the key.

    :raises RejectedError: if the site refuses
    :raises OSError: if the connection breaks
    """
    attempt = _Attempt(transport, credentials)
    transport.auth_handler = attempt
    methods: Sequence[str] = ["publickey"] if credentials.password is None else attempt.step("none")
    if credentials.key is not None and "publickey" in methods:
        methods = attempt.step("publickey", credentials.key)
    if credentials.password is not None:
        if "password" in methods:
            methods = attempt.step("password", credentials.password)
        elif "keyboard-interactive" in methods:
            methods = attempt.step("interactive", attempt.answer)
    if methods:
        tried = "" if credentials.key is None else f". Private key {fingerprint(credentials.key)} is not sufficient"
        raise RejectedError(
            f"{credentials.site}: the site requires a login by {', '.join(methods)}, which this connection does not "
            "have (publickey is the extra private_key; password and keyboard-interactive are the pass phrase)" + tried
        )


class _Attempt(AuthHandler):
    """
    paramiko's side of a login in several steps, with two fixes.

    * paramiko requests the service "ssh-userauth" again at every step, which makes some servers disconnect.
    * paramiko reports a refusal and a lost connection by the same exceptions, which differ in their text only.
    """

    def __init__(self, transport: paramiko.Transport, credentials: Credentials) -> None:
        super().__init__(transport)
        self._credentials = credentials
        self._service_asked = self._answered = self._refused = False

    def step(self, method: str, *secret: Any) -> Sequence[str]:
        """Try one method; return the methods that the site accepts next, none after success."""
        self._refused = False
        answered = threading.Event()
        if not self.transport.is_active():  # nothing would be sent
            raise ConnectionResetError
        try:
            getattr(self, f"auth_{method}")(self._credentials.login, *secret, answered)
            return self.wait_for_response(answered)
        except (paramiko.SSHException, OSError, EOFError) as error:
            if method in ("none", "publickey") and isinstance(error, paramiko.BadAuthenticationType):
                return error.allowed_types
            # The method "none" is always refused; if the connection breaks after that, the login itself was not.
            if self._refused and (method != "none" or self.transport.is_active()):
                raise self._refusal(method) from error
            if method in ("none", "publickey") or self._credentials.proven:
                raise ConnectionResetError from error
            raise RejectedError(
                f"{self._credentials.site}: the login ended without an answer from the site. Some sites disconnect "
                f"when the pass phrase is wrong or has expired. {_TRIED_ONCE}"
            ) from error

    def answer(self, title: str, instructions: str, fields: Sequence[tuple[str, bool]]) -> list[str]:
        """Answer the site's prompt with the pass phrase, once."""
        if not fields:
            return []
        if self._answered or len(fields) > 1:
            self._refused = True
            raise paramiko.AuthenticationException("the site prompted again, or for several values")
        self._answered = True
        return [self._credentials.password or ""]

    def _refusal(self, method: str) -> RejectedError:
        key = self._credentials.key
        secret = f"private key {fingerprint(key)}" if method == "publickey" and key else "pass phrase"
        return RejectedError(
            f"{self._credentials.site}: the site refused the login with this account and {secret}. {_TRIED_ONCE}"
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
