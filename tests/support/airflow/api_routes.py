"""Print every route of this environment's API server and its methods, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount

IGNORED = {"HEAD", "OPTIONS"}


def main() -> None:
    """Print the list of [method, path]."""
    from airflow.api_fastapi.app import create_app, get_auth_manager

    app = create_app(apps="core")
    manager: Any = get_auth_manager()
    found = {*walk(app.routes, "")}
    for rule in manager.flask_app.url_map.iter_rules():
        found |= {(method, f"/auth{rule.rule}") for method in rule.methods - IGNORED}
    print(json.dumps(sorted(found)))


def walk(routes: Iterable[BaseRoute], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield the routes of an app and of the apps mounted in it."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield from ((method, prefix + route.path) for method in route.methods - IGNORED)
        elif isinstance(route, Mount):
            yield from walk(getattr(route.app, "routes", []), prefix + route.path)


if __name__ == "__main__":
    main()
