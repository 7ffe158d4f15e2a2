"""The page's web application: HTML pages, JSON below ``api/``, and metrics for Prometheus at ``metrics``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException

from persado.web import metrics
from persado.web.charts import HEIGHT, WIDTH, charts
from persado.web.configuration import ConfigurationState, read_configuration
from persado.web.entries import Entry
from persado.web.guard import may_read, may_see, may_see_errors, readable_dags, require_login
from persado.web.listing import PER_PAGE, Filters, Page, find, tallies
from persado.web.pages import render
from persado.web.runs import Run, read_run
from persado.web.trends import LATEST, Trend, trends

MAX_TRIES = 100
"""A delivery's page shows at most this many entries of its run."""

STATIC = Path(__file__).parent / "static"
_CHARTS: dict[str, Any] = {"charts": charts, "chart_size": (WIDTH, HEIGHT)}
_MEDIA_TYPES = {
    "page.css": "text/css",
    "theme.js": "text/javascript",
    "links.js": "text/javascript",
    "times.js": "text/javascript",
}

# FastAPI's documentation pages are off: they load scripts from another host.
app = FastAPI(title="Persado deliveries", docs_url=None, redoc_url=None, openapi_url=None)
app.middleware("http")(require_login)

Text = Annotated[str, Query(max_length=250)]
PageNumber = Annotated[int, Query(ge=1)]


# Pages


@app.get("/", include_in_schema=False)
def index() -> RedirectResponse:
    """Redirect to the list of deliveries."""
    return RedirectResponse("deliveries")


@app.get("/deliveries", response_class=HTMLResponse)
def deliveries_page(
    request: Request, dag_id: Text = "", outcome: Text = "", q: Text = "", page: PageNumber = 1
) -> HTMLResponse:
    """Show every delivery and every failed try."""
    dag_ids = readable_dags(request)
    counts = tallies(dag_ids)
    filters = {"dag_id": dag_id, "outcome": outcome, "q": q}
    return _page(
        "deliveries.html",
        listed=find(dag_ids, Filters(dag_id=dag_id, outcome=outcome, text=q), page),
        filters=filters,
        active_filters={name: value for name, value in filters.items() if value},
        dag_ids=sorted({tally.latest.dag_id for tally in counts} | ({dag_id} - {""})),
        outcomes=sorted({"delivered", "failed"} | ({outcome} - {""})),
        trends=trends({dag_id} & dag_ids) if dag_id else [],
        **_CHARTS,
    )


@app.get("/delivery", response_class=HTMLResponse)
def delivery_page(request: Request, dag_id: Text, run_id: Text) -> HTMLResponse:
    """Show the delivery of a run."""
    found = delivery(request, dag_id, run_id)
    tries: Sequence[Entry] = found["entries"]
    receipts = [entry for entry in tries if entry.outcome != "failed"]
    return _page(
        "delivery.html",
        **found,
        dag_id=dag_id,
        run_id=run_id,
        receipt=receipts[0] if receipts else None,
        with_logs=may_see(request, dag_id, DagAccessEntity.TASK_LOGS),
    )


@app.get("/trends", response_class=HTMLResponse)
def trends_page(request: Request) -> HTMLResponse:
    """Show rows, size, duration and success of each orchestration over time."""
    return _page("trends.html", trends=trends(readable_dags(request)), latest=LATEST, **_CHARTS)


@app.get("/configuration", response_class=HTMLResponse)
def configuration_page(request: Request) -> HTMLResponse:
    """Show the mistakes in the configuration and the state of the keys."""
    return _page("configuration.html", state=configuration(request))


@app.get("/static/{name}", include_in_schema=False)
def static(name: str) -> FileResponse:
    """Return a style sheet or script."""
    if name not in _MEDIA_TYPES:
        raise HTTPException(404)
    return FileResponse(STATIC / name, media_type=_MEDIA_TYPES[name])


# JSON and metrics


@app.get("/api/deliveries")
def deliveries(
    request: Request,
    dag_id: Text = "",
    run_id: Text = "",
    outcome: Text = "",
    q: Text = "",
    page: PageNumber = 1,
    per_page: Annotated[int, Query(ge=1, le=500)] = PER_PAGE,
) -> Page[Entry]:
    """List deliveries and failed tries, newest first."""
    filters = Filters(dag_id=dag_id, run_id=run_id, outcome=outcome, text=q)
    return find(readable_dags(request), filters, page, per_page)


@app.get("/api/delivery")
def delivery(request: Request, dag_id: Text, run_id: Text) -> dict[str, Any]:
    """Return the delivery of a run: Airflow's run with its tasks, and the ledger's entries."""
    if dag_id not in readable_dags(request):
        raise HTTPException(404, f"There is no DAG {dag_id!r}, or you may not read it.")
    run: Run | None = read_run(dag_id, run_id, with_tasks=may_see(request, dag_id, DagAccessEntity.TASK_INSTANCE))
    found = find({dag_id}, Filters(run_id=run_id), per_page=MAX_TRIES).items
    if run is None and not found:
        raise HTTPException(404, f"There is no run {run_id!r} of {dag_id!r}.")
    return {"run": run, "entries": found}


@app.get("/api/trends")
def trends_data(request: Request, dag_id: Text = "") -> list[Trend]:
    """Return rows, bytes, duration and success of each orchestration's latest deliveries."""
    dag_ids = readable_dags(request)
    return trends({dag_id} & dag_ids if dag_id else dag_ids)


@app.get("/api/configuration")
def configuration(request: Request) -> ConfigurationState:
    """Return the mistakes in the configuration and the state of the keys."""
    return read_configuration(partial(may_read, request), with_errors=may_see_errors(request))


@app.get("/metrics", response_class=PlainTextResponse)
def prometheus(request: Request) -> PlainTextResponse:
    """Return metrics in the text format of Prometheus."""
    return PlainTextResponse(metrics.text(tallies(readable_dags(request))), media_type=metrics.MEDIA_TYPE)


@app.exception_handler(RequestValidationError)
def report_invalid_values(request: Request, error: RequestValidationError) -> Response:
    """Report which part of the address is invalid, and why."""
    problems = [f"{' '.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
    return report_error(request, HTTPException(422, "; ".join(problems)))


@app.exception_handler(StarletteHTTPException)
def report_error(request: Request, error: StarletteHTTPException) -> Response:
    """Report an error, as a page to browsers and as JSON to other clients."""
    if "text/html" in request.headers.get("accept", ""):
        return _page("problem.html", problem=error.detail, status=error.status_code)
    return JSONResponse({"detail": error.detail}, error.status_code)


def _page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    return HTMLResponse(render(template, {**values, "template": template}), status)
