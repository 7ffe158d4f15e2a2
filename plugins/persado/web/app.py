"""The application behind the page: HTML for people, JSON below ``api/`` for programs, counters at ``metrics``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from persado.web.configuration import Attention, read_configuration
from persado.web.entries import Entry
from persado.web.guard import may_read, may_see, may_see_errors, only_users, readable_dags
from persado.web.listing import PER_PAGE, Page, Wanted, find, tallies
from persado.web.pages import render
from persado.web.runs import Run, read_run
from persado.web.trends import LATEST, Trend, trends

TRIES = 100
"""How many entries of one run a delivery's page shows at most."""

STATIC = Path(__file__).parent / "static"
_CHARTS: dict[str, Any] = {"charts": charts, "chart_size": (WIDTH, HEIGHT)}
_KINDS = {
    "page.css": "text/css",
    "theme.js": "text/javascript",
    "links.js": "text/javascript",
    "times.js": "text/javascript",
}

# Without documentation pages: they load scripts from another host.
app = FastAPI(title="Persado deliveries", docs_url=None, redoc_url=None, openapi_url=None)
app.middleware("http")(only_users)

Text = Annotated[str, Query(max_length=250)]
PageNumber = Annotated[int, Query(ge=1)]


# Pages


@app.get("/", include_in_schema=False)
def index() -> RedirectResponse:
    """Lead to the list."""
    return RedirectResponse("deliveries")


@app.get("/deliveries", response_class=HTMLResponse)
def deliveries_page(
    request: Request, dag_id: Text = "", outcome: Text = "", q: Text = "", page: PageNumber = 1
) -> HTMLResponse:
    """Show every delivery and every failed try."""
    dag_ids = readable_dags(request)
    known = tallies(dag_ids)
    filters = {"dag_id": dag_id, "outcome": outcome, "q": q}
    return _page(
        "deliveries.html",
        listed=find(dag_ids, Wanted(dag_id=dag_id, outcome=outcome, text=q), page),
        filters=filters,
        wanted={name: value for name, value in filters.items() if value},
        dag_ids=sorted({tally.latest.dag_id for tally in known} | ({dag_id} - {""})),
        outcomes=sorted({"delivered", "failed"} | ({outcome} - {""})),
        trends=trends({dag_id} & dag_ids) if dag_id else [],
        **_CHARTS,
    )


@app.get("/delivery", response_class=HTMLResponse)
def delivery_page(request: Request, dag_id: Text, run_id: Text) -> HTMLResponse:
    """Show what is known of the delivery of a run."""
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
    """Show how the deliveries of each orchestration develop."""
    return _page("trends.html", trends=trends(readable_dags(request)), latest=LATEST, **_CHARTS)


@app.get("/configuration", response_class=HTMLResponse)
def configuration_page(request: Request) -> HTMLResponse:
    """Show mistakes in the configuration and the state of the keys."""
    return _page("configuration.html", attention=configuration(request))


@app.get("/static/{name}", include_in_schema=False)
def static(name: str) -> FileResponse:
    """Give a style sheet or script."""
    if name not in _KINDS:
        raise HTTPException(404)
    return FileResponse(STATIC / name, media_type=_KINDS[name])


# The same for programs


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
    wanted = Wanted(dag_id=dag_id, run_id=run_id, outcome=outcome, text=q)
    return find(readable_dags(request), wanted, page, per_page)


@app.get("/api/delivery")
def delivery(request: Request, dag_id: Text, run_id: Text) -> dict[str, Any]:
    """Give what is known of the delivery of a run: Airflow's run with its tasks, and the ledger's entries."""
    if dag_id not in readable_dags(request):
        raise HTTPException(404, f"There is no DAG {dag_id!r}, or you may not read it.")
    run: Run | None = read_run(dag_id, run_id, with_tasks=may_see(request, dag_id, DagAccessEntity.TASK_INSTANCE))
    found = find({dag_id}, Wanted(run_id=run_id), per_page=TRIES).items
    if run is None and not found:
        raise HTTPException(404, f"There is no run {run_id!r} of {dag_id!r}.")
    return {"run": run, "entries": found}


@app.get("/api/trends")
def trends_data(request: Request, dag_id: Text = "") -> list[Trend]:
    """Give rows, bytes, duration and success of the latest deliveries of each orchestration."""
    dag_ids = readable_dags(request)
    return trends({dag_id} & dag_ids if dag_id else dag_ids)


@app.get("/api/configuration")
def configuration(request: Request) -> Attention:
    """Give mistakes in the configuration and the state of the keys."""
    return read_configuration(partial(may_read, request), with_errors=may_see_errors(request))


@app.get("/metrics", response_class=PlainTextResponse)
def counters(request: Request) -> PlainTextResponse:
    """Give counters in the text format of Prometheus."""
    return PlainTextResponse(metrics.text(tallies(readable_dags(request))), media_type=metrics.MEDIA_TYPE)


@app.exception_handler(RequestValidationError)
def refuse_values(request: Request, error: RequestValidationError) -> Response:
    """Say which part of an address is wrong, and why."""
    problems = [f"{' '.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
    return refuse(request, HTTPException(422, "; ".join(problems)))


@app.exception_handler(StarletteHTTPException)
def refuse(request: Request, error: StarletteHTTPException) -> Response:
    """Say what is wrong, to people as a page."""
    if "text/html" in request.headers.get("accept", ""):
        return _page("problem.html", problem=error.detail, status=error.status_code)
    return JSONResponse({"detail": error.detail}, error.status_code)


def _page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    content: Mapping[str, Any] = {**values, "template": template}
    return HTMLResponse(render(template, content), status)
