"""
Alerts: callbacks of Airflow tasks that notify people of the outcome of a delivery.

They run when a task has succeeded or finally failed. An alert that fails does not affect the delivery. Unlike Airflow's
notifiers, they do not render texts as templates, because an error may quote one.
"""

from __future__ import annotations

import html
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException

from persado.errors import PersadoError
from persado.operators.run_params import reason
from persado.pipeline.stage.receipt import Receipt
from persado.settings.models.alerts import Alert, Occasion

if TYPE_CHECKING:
    from airflow.sdk import Context

TIMEOUT = 30.0
"""Seconds to wait for Slack's response."""

_LOG = logging.getLogger(__name__)


def failure_callbacks(alerts: Sequence[Alert]) -> list[Callable[[Context], None]]:
    """Return the callbacks for a task that has finally failed."""
    return [partial(_notify_failure, alert) for alert in alerts if "failure" in alert.when]


def success_callbacks(alerts: Sequence[Alert]) -> list[Callable[[Context], None]]:
    """Return the callbacks for the last task, whose outlet is the delivery's asset, when it has succeeded."""
    return [partial(_notify_success, alert) for alert in alerts if {"warning", "success"} & set(alert.when)]


def _notify_failure(alert: Alert, context: Context) -> None:
    # The person who started a dry run is watching it.
    if not context["params"].get("dry_run"):
        _send(alert, f"{context['ti'].dag_id} failed: nothing counts as delivered", _failure_lines(context))


def _notify_success(alert: Alert, context: Context) -> None:
    for asset in context["task"].outlets:
        extra = context["outlet_events"][asset].extra
        receipt = Receipt.model_validate(extra)
        occasions: set[Occasion] = {"success", "warning"} if receipt.warnings else {"success"}
        if occasions & set(alert.when):
            with_warnings = ", with warnings" if receipt.warnings else ""
            _send(alert, f"{context['ti'].dag_id} is delivered{with_warnings}", _receipt_lines(context, receipt))


def _failure_lines(context: Context) -> Iterator[str]:
    error: Any = context.get("exception")
    if isinstance(error, PersadoError):
        yield f"{type(error).__name__}: {error}"
    else:
        # The text of any other error may quote a customer's value.
        yield f"{type(error).__name__ if isinstance(error, BaseException) else 'The task was lost'}: see the log"
    yield f"Task: {context['ti'].task_id}, try {context['ti'].try_number}"
    yield from _run_lines(context)


def _receipt_lines(context: Context, receipt: Receipt) -> Iterator[str]:
    for text in receipt.warnings:
        yield f"Warning: {text}"
    yield f"{receipt.rows:,} rows to {receipt.destination}"
    for file in receipt.files:
        yield f"{file.remote_path}: {file.rows:,} rows, {file.bytes:,} bytes, SHA-256 {file.sha256}"
    if receipt.done_path:
        yield f"{receipt.done_path} is in place"
    yield from _run_lines(context)


def _run_lines(context: Context) -> Iterator[str]:
    yield f"Run: {context['ti'].run_id}"
    run = context.get("dag_run")  # missing for a lost task, whose callback runs in the DAG processor
    if run and run.triggering_user_name:
        yield f"Started by: {run.triggering_user_name}"
    if why := reason(context):
        yield f"Reason: {why}"
    yield f"Log: {context['ti'].log_url}"


def _send(alert: Alert, subject: str, lines: Iterator[str]) -> None:
    text = "\n".join(lines)
    try:
        if alert.to:
            _mail(alert.connection, alert.to, f"[persado] {subject}", text)
        else:
            _post(alert.connection, f"*{_slack(subject)}*\n{_slack(text)}")
    except Exception as error:  # an alert must not affect the delivery
        # The text of any other error may hold the webhook's URL, which is a secret.
        problem = f"{type(error).__name__}: {error}" if isinstance(error, AirflowException) else type(error).__name__
        _LOG.error("cannot send the alert through the connection %s: %s", alert.connection, problem)
    else:
        _LOG.info("sent the alert through the connection %s", alert.connection)


def _mail(conn_id: str, to: Sequence[str], subject: str, text: str) -> None:
    with SmtpHook(smtp_conn_id=conn_id) as smtp:
        smtp.send_email_smtp(to=list(to), subject=subject, html_content=f"<pre>{html.escape(text)}</pre>")


def _post(conn_id: str, text: str) -> None:
    connection = BaseHook.get_connection(conn_id)
    host = (connection.host or "").rstrip("/")
    base = host if "://" in host else f"{connection.schema or 'https'}://{host}"
    port = f":{connection.port}" if connection.port else ""
    url = f"{base}{port}/{(connection.password or '').lstrip('/')}".rstrip("/")
    if not url.startswith(("https://", "http://")):
        raise AirflowException("its host is not a web address; expected one such as https://hooks.slack.com/services")
    # No library that might log the URL, which is a secret.
    request = Request(url, json.dumps({"text": text}).encode(), {"Content-Type": "application/json"})  # noqa: S310
    with urlopen(request, timeout=TIMEOUT):  # noqa: S310 - the scheme is checked above
        pass


def _slack(text: str) -> str:
    """Escape characters that Slack would read as links and mentions."""
    return html.escape(text, quote=False)
