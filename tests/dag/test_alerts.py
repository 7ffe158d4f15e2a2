"""Alerts about the outcome of a delivery, through a real SMTP server and a real webhook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from support.airflow.runs import Project, airflow_database, project
from support.mailboxes import Mail, smtp_server, webhook

from persado.dag.alerts import failure_callbacks
from persado.settings.models.alerts import Alert

__all__ = ["airflow_database", "project"]

SECRET = "jane.doe@example.com"
TEAM, BOSS = "team@example.com", "boss@example.com"
SETTINGS = {"filename_template": "out.csv"}


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Mail]]:
    """Return the mails sent through the connection `mail`."""
    with smtp_server() as (port, arrived):
        extra = {"disable_tls": True, "disable_ssl": True, "from_email": "airflow@example.com", "timeout": 5}
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps(connection))
        yield arrived


def alert_to(to: str, *when: str) -> dict[str, Any]:
    """Return the configuration of an alert by mail."""
    return {"connection": "mail", "to": [to], "when": list(when)}


def test_alerts_are_sent_for_their_occasions_only(project: Project, mails: list[Mail]) -> None:
    alerts = [alert_to(TEAM, "failure", "warning"), alert_to(BOSS, "success")]
    project.describe("alerted", "SELECT 1 AS a", settings=SETTINGS, alerts=alerts)

    assert project.run("alerted", run_conf={"reason": "CRM-17 <b>"}).state == "success"
    [mail] = mails
    assert (mail.to, mail.subject) == ([BOSS], "[persado] alerted is delivered")
    for text in (
        "1 rows to alerted_site",
        "/inbox/out.csv.DONE is in place",
        "Reason: CRM-17 &lt;b&gt;",
        "/dags/alerted/runs/",
    ):
        assert text in mail.text

    mails.clear()
    project.describe("alerted", "SELECT 1 AS a", settings=SETTINGS, alerts=alerts, rows={"warn_below": 5})
    assert project.run("alerted").state == "success"
    assert sorted((mail.to, mail.subject) for mail in mails) == [
        ([BOSS], "[persado] alerted is delivered, with warnings"),
        ([TEAM], "[persado] alerted is delivered, with warnings"),
    ]
    assert all("the query returned 1 rows, fewer than rows.warn_below (5)" in mail.text for mail in mails)

    mails.clear()
    project.describe("alerted", "SELECT 1 AS a", settings=SETTINGS, alerts=alerts, rows={"fail_below": 5})
    assert project.run("alerted").state == "failed"
    [mail] = mails
    assert (mail.to, mail.subject) == ([TEAM], "[persado] alerted failed: nothing counts as delivered")
    assert "RejectedError: the query returned 1 rows, but rows.fail_below is 5" in mail.text


def test_failure_alert_contains_no_customer_value(project: Project, mails: list[Mail]) -> None:
    folder = project.config.parent
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "leaky.py").write_text("def leak(frame):\n    raise ValueError(frame['mail'].iloc[0])\n")
    project.describe(
        "leaky", f"SELECT '{SECRET}' AS mail", settings=SETTINGS, template={"transform": "leaky:leak"},
        alerts=[alert_to(TEAM, "failure")],
    )  # fmt: skip
    assert project.run("leaky").state == "failed"
    [mail] = mails
    assert "transform leaky:leak, batch 1 (from row 1): it raised ValueError at leaky.py:2" in mail.text
    assert SECRET not in mail.text


def test_dry_run_and_skipped_run_send_no_alert(project: Project, mails: list[Mail]) -> None:
    alerts = [alert_to(TEAM, "failure", "warning", "success")]
    project.describe("quiet", "SELECT 1 AS a LIMIT 0", settings=SETTINGS, alerts=alerts, on_empty="skip")
    assert project.run("quiet").state == "success"
    project.describe("quiet", "SELEC 1", settings=SETTINGS, alerts=alerts)
    assert project.run("quiet", run_conf={"dry_run": True}).state == "failed"
    assert mails == []


def test_alert_of_a_destination_is_sent_to_slack(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with webhook() as (port, arrived):
        connection = {
            "conn_type": "slackwebhook",
            "host": f"http://127.0.0.1:{port}/services",
            "password": "T0/B0/hush",
        }
        monkeypatch.setenv("AIRFLOW_CONN_SLACK", json.dumps(connection))
        project.describe("slack", "SELEC <1>", settings=SETTINGS)
        site = project.config / "destinations" / "slack_site.yaml"
        site.write_text(f"{site.read_text()}alerts: [{{connection: slack}}]\n")
        assert project.run("slack").state == "failed"
    [(path, text)] = arrived
    assert path == "/services/T0/B0/hush"
    assert text.startswith("*slack failed: nothing counts as delivered*\nConfigurationError: the query failed: ")


def test_failed_alert_does_not_affect_the_delivery(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with webhook(500) as (port, arrived):
        connection = {"conn_type": "http", "host": "127.0.0.1", "schema": "http", "port": port, "password": "hush"}
        monkeypatch.setenv("AIRFLOW_CONN_SLACK", json.dumps(connection))
        alerts = [{"connection": name, "when": ["success"]} for name in ("slack", "nowhere")]
        project.describe("unheard", "SELECT 1 AS a", settings=SETTINGS, alerts=alerts)
        assert project.run("unheard").state == "success"
    log = caplog.text
    assert [path for path, _ in arrived] == ["/hush"]
    assert "cannot send the alert through the connection slack: HTTPError" in log
    assert "cannot send the alert through the connection nowhere: AirflowNotFoundException" in log
    assert "hush" not in log


def test_lost_task_is_alerted_from_the_dag_processor(mails: list[Mail]) -> None:
    task = SimpleNamespace(dag_id="lost", task_id="upload", run_id="r", try_number=2, log_url="http://airflow/log")
    context: Any = {"ti": task, "params": {}, "exception": "killed"}
    for callback in failure_callbacks([Alert(connection="mail", to=(TEAM,))]):
        callback(context)
    [mail] = mails
    assert mail.subject == "[persado] lost failed: nothing counts as delivered"
    assert "The task was lost: see the log\nTask: upload, try 2\nRun: r\nLog: http://airflow/log" in mail.text


@pytest.mark.parametrize(
    ("alert", "problem"),
    [
        ("{connection: c, to: [me]}", "alerts[0].to[0]: expected one e-mail address, such as"),
        ("{connection: c, when: [always]}", "alerts[0].when[0]: expected failure, warning or success"),
        ("{connection: c, when: []}", "alerts[0].when: expected a list of at least one"),
        ("{to: [a@b.c]}", "alerts[0]: missing key 'connection'"),
    ],
)
def test_invalid_alerts_are_reported(project: Project, alert: str, problem: str) -> None:
    project.describe("wrong", "SELECT 1", settings=SETTINGS)
    file = project.config / "orchestrations" / "wrong.yaml"
    file.write_text(f"{file.read_text()}alerts: [{alert}]\n")
    [error] = project.load().errors
    assert problem in str(error)
