"""Access to the page: only Airflow users who are logged in, and only to the DAGs that they may read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_LOG_IN = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Persado deliveries</title></head>
<body><h1>Please log in</h1><p>{problem}. <a href="../">Log in to Airflow</a>, then open this page again.</p></body>
</html>
"""


async def require_login(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """
    Authenticate the user by cookie or bearer token, and refuse the request otherwise.

    :param call_next: handles the request
    """
    try:
        request.state.persado_user = await get_user(request, None, await bearer_scheme(request))
    except HTTPException as refusal:
        response = _refuse(request, refusal)
    else:
        response = await call_next(request)
    response.headers.update(HEADERS)
    return response


def _refuse(request: Request, refusal: HTTPException) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(_LOG_IN.format(problem=refusal.detail), refusal.status_code)
    return JSONResponse({"detail": refusal.detail}, refusal.status_code)


def readable_dags(request: Request) -> set[str]:
    """Return the ids of the DAGs that the user may read."""
    dags: set[str] = get_auth_manager().get_authorized_dag_ids(user=_user(request), method="GET")
    return dags


def may_see(request: Request, dag_id: str, entity: DagAccessEntity) -> bool:
    """Return whether the user may see a part of a DAG, such as its task instances or their logs."""
    return get_auth_manager().is_authorized_dag(
        method="GET", access_entity=entity, details=DagDetails(id=dag_id), user=_user(request)
    )


def may_read(request: Request, dag_id: str) -> bool:
    """Return whether the user may read a DAG of this id, whether or not it exists."""
    return get_auth_manager().is_authorized_dag(method="GET", details=DagDetails(id=dag_id), user=_user(request))


def may_see_errors(request: Request) -> bool:
    """Return whether the user may see Airflow's list of import errors, and so the mistakes in the configuration."""
    return get_auth_manager().is_authorized_view(access_view=AccessView.IMPORT_ERRORS, user=_user(request))


def _user(request: Request) -> Any:
    return request.state.persado_user
