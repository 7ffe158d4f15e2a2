"""Dry runs, and the parameters that every orchestration has."""

from __future__ import annotations

from typing import Any

import pytest
from support.airflow.runs import Project, airflow_database, event_extra, project, task_states

from persado.ledger.reader import read_history

__all__ = ["airflow_database", "project"]

SECRET = "jane.doe@example.com"
TEMPLATE = {"columns": [{"name": "id"}, {"name": "mail", "pii": True}]}
SETTINGS = {"filename_template": "out.csv", "quote_mode": "all"}


@pytest.fixture
def customers(project: Project) -> Project:
    """Return a project whose warehouse has customers."""
    with project.warehouse as warehouse:
        warehouse.execute("CREATE TABLE customers (id, mail)")
        warehouse.executemany("INSERT INTO customers VALUES (?, ?)", [(i, SECRET) for i in range(20)])
    return project


def history(name: str) -> list[Any]:
    """Return the ledger's records."""
    return list(read_history(f"persado://{name}_site/{name}"))


@pytest.mark.parametrize("execution", ["chained", "streamed"])
def test_dry_run_logs_the_preview_and_sends_nothing(
    customers: Project, capfd: pytest.CaptureFixture[str], execution: str
) -> None:
    customers.describe(
        "dry",
        "SELECT * FROM customers",
        settings=SETTINGS,
        template=TEMPLATE,
        change={"fail_above_percent": 50},
        execution=execution,
    )
    run = customers.run("dry", run_conf={"dry_run": True, "count_rows": True})
    log = capfd.readouterr().out

    assert run.state == "success"
    states = task_states(run)
    assert states.pop("gate") == "success"  # it sends personal data
    assert set(states.values()) == {"skipped"}
    for text in (
        "/inbox/out.csv.DONE, last",
        '"id","mail"',
        '"9","***"',
        "the query returns 20",
        "destinations/dry_site",
    ):
        assert text in log
    assert SECRET not in log
    assert customers.arrived() == {}
    assert customers.site.logins == []
    assert list(customers.stage.rglob("*")) == []
    assert event_extra("dry") == {}
    assert history("dry") == []


@pytest.mark.parametrize(
    ("name", "query", "problem"),
    [
        ("dry_syntax", "SELEC 1", 'near "SELEC": syntax error'),
        (
            "dry_column",
            "SELECT id FROM customers",
            "This delivery would fail: the data template wants the column 'mail'",
        ),
    ],
)
def test_dry_run_of_a_failing_delivery_fails_without_a_record(
    customers: Project, capfd: pytest.CaptureFixture[str], name: str, query: str, problem: str
) -> None:
    customers.describe(name, query, settings=SETTINGS, template=TEMPLATE)
    assert customers.run(name, run_conf={"dry_run": True}).state == "failed"
    assert problem in capfd.readouterr().out
    assert customers.arrived() == {}
    assert history(name) == []


def test_dry_run_checks_the_number_of_rows(customers: Project, capfd: pytest.CaptureFixture[str]) -> None:
    customers.describe(
        "dry_change", "SELECT * FROM customers", settings=SETTINGS, template=TEMPLATE, change={"fail_above_percent": 50}
    )
    assert customers.run("dry_change").state == "success"
    with customers.warehouse as warehouse:
        warehouse.execute("DELETE FROM customers WHERE id > 3")
    capfd.readouterr()
    assert customers.run("dry_change", run_conf={"dry_run": True}).state == "failed"
    assert "the query returned 4 rows, the last delivery had 20" in capfd.readouterr().out


def test_reason_is_recorded_with_the_delivery(customers: Project) -> None:
    customers.describe("reasoned", "SELECT id FROM customers", settings=SETTINGS)
    customers.run("reasoned", run_conf={"reason": "CRM-17: resend"})
    assert event_extra("reasoned")["reason"] == "CRM-17: resend"
    customers.describe("reasoned", "SELEC 1", settings=SETTINGS)
    customers.run("reasoned", run_conf={"reason": "once more"})
    customers.describe("reasoned", "SELECT id FROM customers", settings=SETTINGS)
    customers.run("reasoned")
    assert [(record.outcome, record.reason) for record in history("reasoned")] == [
        ("delivered", None),
        ("failed", "once more"),
        ("delivered", "CRM-17: resend"),
    ]


def test_trigger_form_has_own_and_shared_parameters(customers: Project) -> None:
    from persado.dag.factory import make_dag

    customers.describe(
        "formed", "SELECT 1 AS a", settings=SETTINGS, params={"since": {"type": "string", "default": "x"}}
    )
    params = make_dag(customers.load().deliveries["formed"]).params
    assert list(params) == ["since", "dry_run", "count_rows", "reason"]
    for name in ("dry_run", "count_rows", "reason"):
        schema = params.get_param(name).schema
        assert schema["title"]
        assert params.get_param(name).description
    assert params.dump() == {"since": "x", "dry_run": False, "count_rows": False, "reason": None}


@pytest.mark.parametrize("name", ["dry_run", "count_rows", "reason"])
def test_names_of_shared_parameters_are_reserved(customers: Project, name: str) -> None:
    customers.describe("clash", "SELECT 1", settings=SETTINGS, params={name: {"type": "boolean", "default": True}})
    [error] = customers.load().errors
    assert f"params.{name}: is a parameter that every orchestration already has" in str(error)


@pytest.mark.parametrize("given", ["dryrun", "dry-run", "DRY_RUN"])
def test_misspelt_parameter_is_refused(customers: Project, capfd: pytest.CaptureFixture[str], given: str) -> None:
    customers.describe("almost", "SELECT * FROM customers", settings=SETTINGS)

    run = customers.run("almost", run_conf={given: True, "of_another_dag": 1})

    assert run.state == "failed"
    assert customers.arrived() == {}
    text = f"the run was given the unknown parameter '{given}'. Start it again with 'dry_run'"
    assert text in capfd.readouterr().out
