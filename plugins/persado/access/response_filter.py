"""
Remove rendered values from the API's responses to users with restricted access to personal data.

The API shows a task instance with its rendered templates, among them the query, which may quote customer data. It shows
a run with its ``conf``, which may hold values for the query. No Airflow permission hides either, so this middleware
removes them from the response.
"""

from __future__ import annotations

import json
from collections.abc import Callable, MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from jwt import InvalidTokenError
from starlette.datastructures import MutableHeaders
from starlette.requests import Request

from persado.access.fab_roles import role_names
from persado.access.rules import RESTRICTED_PII

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FIELD = "rendered_fields"
CONF_FIELDS = ("conf", "dag_run_conf")  # of a run and of a backfill; their values may be used in the query
PATHS = ("/api/v2/", "/ui/")


class HideRenderedValues:
    """
    Empty ``rendered_fields`` in JSON responses to restricted users, and ``conf`` of runs that the user may not start.

    Responses to other users pass unchanged.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http" and any(path in scope["path"] for path in PATHS):
            user = await _user(scope)
            if user is None or RESTRICTED_PII in role_names(user):
                send = _Editor(send, user).send
        await self.app(scope, receive, send)


async def _user(scope: Scope) -> BaseUser | None:
    request = Request(scope)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = bearer if scheme.lower() == "bearer" else request.cookies.get(COOKIE_NAME_JWT_TOKEN)
    if not token:
        return None
    try:
        return await get_auth_manager().get_user_from_token(token)
    except InvalidTokenError:
        return None


class _Editor:
    """Hold a JSON response back until it is complete, then send it without the values."""

    def __init__(self, send: Send, user: BaseUser | None) -> None:
        self._send = send
        self._user = user
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
        body = _without_values(self._body, cache(lambda dag_id: _may_start(self._user, dag_id)))
        MutableHeaders(scope=self._start)["content-length"] = str(len(body))
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})


def _may_start(user: BaseUser | None, dag_id: str) -> bool:
    run = DagDetails(id=dag_id)
    return user is not None and get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, details=run, user=user
    )


def _is_json(message: Message) -> bool:
    return MutableHeaders(scope=message).get("content-type", "").startswith("application/json")


def _without_values(body: bytes, may_start: Callable[[str], bool]) -> bytes:
    if not any(field.encode() in body for field in (FIELD, *CONF_FIELDS)):
        return body
    content = json.loads(body)
    _empty(content, may_start)
    return json.dumps(content, ensure_ascii=False).encode()


def _empty(part: Any, may_start: Callable[[str], bool]) -> None:
    if isinstance(part, MutableMapping):
        if FIELD in part:
            part[FIELD] = {}
        for field in CONF_FIELDS:
            if part.get(field) and "dag_id" in part and not may_start(str(part["dag_id"])):
                part[field] = {}
        part = part.values()
    elif not isinstance(part, list):
        return
    for child in part:
        _empty(child, may_start)
