"""Whole deliveries as Airflow runs them: from the query to `.DONE`."""

from __future__ import annotations

import csv
import gzip
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.airflow.customers import CUSTOMERS, QUERY, SETTINGS
from support.airflow.runs import Project, event_extra, task_states


def test_files_get_their_final_name_when_complete_and_done_comes_last(customers: Project) -> None:
    customers.describe("ordered", QUERY, settings=SETTINGS)
    (customers.inbox / "out.csv.gz.DONE").touch()

    customers.run("ordered")

    changes = customers.site.changes()
    written = {operation.path for operation in changes if operation.name in ("create", "update", "written")}
    assert all(Path(path).name.startswith(".") for path in written)
    shown = [operation.to for operation in changes if operation.to]
    assert shown == ["/inbox/out.csv.gz", "/inbox/out.csv.gz.DONE"]
    removed = [n for n, operation in enumerate(changes) if operation == ("remove", "/inbox/out.csv.gz.DONE", None)]
    first_shown = next(n for n, operation in enumerate(changes) if operation.to)
    assert removed
    assert removed[0] < first_shown


def test_the_receipt_is_in_the_assets_event(customers: Project) -> None:
    customers.describe("receipted", QUERY, settings=SETTINGS)
    run = customers.run("receipted")
    receipt = event_extra("receipted")
    content = customers.arrived()["out.csv.gz"]
    assert receipt["outcome"] == "delivered"
    assert receipt["run_id"] == run.run_id
    assert receipt["rows"] == len(CUSTOMERS)
    assert receipt["done_path"] == "/inbox/out.csv.gz.DONE"
    assert [(file["remote_path"], file["bytes"]) for file in receipt["files"]] == [("/inbox/out.csv.gz", len(content))]
    assert [stage["stage"] for stage in receipt["stages"]] == ["extract", "format", "encode", "upload", "success_file"]


def test_disabled_stages_have_no_task(customers: Project) -> None:
    customers.describe(
        "plain",
        QUERY,
        settings={"filename_template": "a/{{orchestration}}.csv", "success_file": False, "header": False},
    )
    run = customers.run("plain")
    assert list(task_states(run)) == ["extract", "format", "upload"]
    assert list(customers.arrived()) == ["a/plain.csv"]
    assert event_extra("plain")["done_path"] is None


def test_columns_transform_and_contract_of_a_data_template(customers: Project) -> None:
    (customers.config.parent / "mine.py").parent.mkdir(parents=True, exist_ok=True)
    (customers.config.parent / "mine.py").write_text(
        "def shout(frame):\n    frame['name'] = frame['name'].str.upper()\n    return frame\n"
    )
    customers.write(
        "contracts/mine.yaml",
        "columns:\n  - {name: Name}\n  - {name: country, nullable: false}\n  - {name: x, required: false}\n",
    )
    template: dict[str, Any] = {
        "transform": "mine:shout",
        "contract": "mine",
        "columns": [{"name": "Name", "from": "name", "pii": True}, {"name": "country", "value": "US"}],
    }
    customers.describe("shaped", QUERY, settings={"filename_template": "s.csv"}, template=template)
    assert customers.run("shaped").state == "success"
    rows = list(csv.reader(io.StringIO(customers.arrived()["s.csv"].decode())))
    assert rows == [["Name", "country"], ['ANN, "X"', "US"], ["", "US"], ["B", "US"]]


@pytest.mark.parametrize(
    ("encoding", "names"),
    [("none", ["p/0000001.csv", "p/0000002.csv", "p/0000003.csv"]), ("tgz", ["p"])],
)
def test_split_outputs_have_one_done_file(project: Project, encoding: str, names: list[str]) -> None:
    settings = {
        "encoding": encoding,
        "split": {"rows": 50_000},
        "split_directory_template": "p",
        "filename_template": "unused",
        "row_number": "n",
    }
    query = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < 120000) SELECT i FROM t"
    project.describe(f"split_{encoding}", query, settings=settings)
    assert project.run(f"split_{encoding}").state == "success"
    arrived = project.arrived()
    assert sorted(arrived) == sorted([*names, "p.DONE"])
    if encoding == "none":
        parts = [arrived[name] for name in names]
    else:
        listed = subprocess.run(["tar", "-tzf", "-"], input=arrived["p"], capture_output=True, check=True).stdout
        assert listed.split() == [b"0000001.csv", b"0000002.csv", b"0000003.csv"]
        command = ["tar", "-xzOf", "-"]
        parts = [
            subprocess.run([*command, name], input=arrived["p"], capture_output=True, check=True).stdout
            for name in listed.split()
        ]
    assert [part.count(b"\n") - 1 for part in parts] == [50_000, 50_000, 20_000]
    assert parts[2].startswith(b"n,i\n100001,100001\n")


def test_a_scheduled_run_sends_its_data_interval(project: Project) -> None:
    from datetime import UTC, datetime

    project.describe(
        "daily",
        "SELECT '{{ data_interval_start }}' AS a, '{{ data_interval_end }}' AS b, '{{ params.kind }}' AS c",
        settings={"filename_template": "{{data_interval_start|format:'yyyyMMdd'}}.csv", "header": False},
        workflow={"schedule": "0 0 * * *", "timezone": "UTC"},
        params={"kind": {"type": "string", "default": "k"}},
    )
    assert project.run("daily", logical_date=datetime(2026, 3, 5, 7, tzinfo=UTC)).state == "success"
    assert project.arrived()["20260304.csv"] == b"2026-03-04 00:00:00+00:00,2026-03-05 00:00:00+00:00,k\n"


def test_an_empty_result_can_be_skipped_or_sent(customers: Project) -> None:
    for on_empty in ("skip", "send"):
        customers.describe(f"empty_{on_empty}", f"{QUERY} LIMIT 0", settings=SETTINGS, on_empty=on_empty)
    skipped = customers.run("empty_skip")
    assert skipped.state == "success"
    assert set(task_states(skipped).values()) == {"skipped"}
    assert customers.arrived() == {}
    assert event_extra("empty_skip") == {}
    assert customers.run("empty_send").state == "success"
    assert gzip.decompress(customers.arrived()["out.csv.gz"]) == b"id,name,amount\n"


def test_a_run_fails_if_the_number_of_rows_changes_too_much(
    customers: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    customers.describe("steady", QUERY, settings=SETTINGS, change={"fail_above_percent": 50})
    assert customers.run("steady").state == "success"
    with customers.warehouse as warehouse:
        warehouse.executemany("INSERT INTO customers VALUES (?, ?, ?)", CUSTOMERS)
    before = customers.arrived()
    assert customers.run("steady").state == "failed"
    assert "the query returned 6 rows, the last delivery had 3" in capfd.readouterr().out
    assert customers.arrived() == before


def test_a_connection_of_type_sftp_works(customers: Project) -> None:
    customers.connect("sftp", extra={"conn_timeout": 3})
    customers.describe("by_sftp", QUERY, settings=SETTINGS)
    assert customers.run("by_sftp").state == "success"


HAND_WRITTEN = """
from airflow.sdk import DAG
from persado.operators import (
    PersadoExtractOperator,
    PersadoFormatOperator,
    PersadoSuccessFileOperator,
    PersadoUploadOperator,
)

settings = {"filename_template": "{{orchestration}}.csv", "remote_folder": "/inbox"}
site = {"settings": settings, "persado_conn_id": "site"}
with DAG("hand_written", schedule=None) as dag:
    extract = PersadoExtractOperator(
        task_id="extract", sql="SELECT '{{ run_id }}' AS run", conn_id="warehouse", settings=settings
    )
    formatted = PersadoFormatOperator(task_id="format", previous=extract.output, settings=settings)
    uploaded = PersadoUploadOperator(task_id="upload", previous=formatted.output, **site)
    PersadoSuccessFileOperator(task_id="success_file", previous=uploaded.output, **site)
"""


def test_a_hand_written_dag_can_use_the_operators(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "hand_written.py").write_text(HAND_WRITTEN)
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(dags))

    command = [sys.executable, "-m", "airflow", "dags", "test", "hand_written"]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    assert project.arrived()["hand_written.csv"].startswith(b"run\nmanual__")
