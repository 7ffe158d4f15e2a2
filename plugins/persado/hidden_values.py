"""
Takes the rendered values out of what Airflow's API answers to users with restricted access to personal data.

A task instance carries its rendered templates wherever the API shows it, the query above all, and a query may quote
customers. No permission of Airflow leaves them out; so they are taken out on the way to the user.
"""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from jwt import InvalidTokenError
from starlette.datastructures import MutableHeaders
from starlette.requests import Request

from persado.access import RESTRICTED_PII

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FIELD = "rendered_fields"
PATHS = ("/api/v2/", "/ui/")


class HideRenderedValues:
    """
    Empties ``rendered_fields`` in each JSON answer to such a user; other users' answers pass as they are.

    :param app: the application behind it
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        hides = scope["type"] == "http" and any(path in scope["path"] for path in PATHS) and await _hides_from(scope)
        await self.app(scope, receive, _Editor(send).send if hides else send)


async def _hides_from(scope: Scope) -> bool:
    request = Request(scope)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = bearer if scheme.lower() == "bearer" else request.cookies.get(COOKIE_NAME_JWT_TOKEN)
    if not token:
        return True
    try:
        user: Any = await get_auth_manager().get_user_from_token(token)
    except InvalidTokenError:
        return True
    return RESTRICTED_PII in {role.name for role in user.roles}


class _Editor:
    """Holds a JSON answer back until it is complete, and sends it without the values."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_json(message):
            self._start = message
            return
        if message["type"] != "http.response.body" or self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = _without_values(self._body)
        MutableHeaders(scope=self._start)["content-length"] = str(len(body))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})


def _is_json(message: Message) -> bool:
    return MutableHeaders(scope=message).get("content-type", "").startswith("application/json")


def _without_values(body: bytes) -> bytes:
    if FIELD.encode() not in body:
        return body
    answer = json.loads(body)
    _empty(answer)
    return json.dumps(answer, ensure_ascii=False).encode()


def _empty(part: Any) -> None:
    if isinstance(part, MutableMapping):
        if FIELD in part:
            part[FIELD] = {}
        part = part.values()
    elif not isinstance(part, list):
        return
    for below in part:
        _empty(below)
