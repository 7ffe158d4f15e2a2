"""Clearing single tasks of a delivery, as in Airflow's UI: each task does the right thing or says what to do."""

from __future__ import annotations

import gzip
import re
from typing import Any

import asyncssh
import pytest
from support.airflow.runs import Project, airflow_database, project, task_states
from support.sites.sftp_server import Folder

from persado.pipeline.site import reconnect

__all__ = ["airflow_database", "project"]

SETTINGS = {"filename_template": "out.csv", "encoding": "gzip", "success_file": "manifest"}
QUERY = "SELECT id FROM customers"
ARRIVED = b"id\n1\n2\n"
CHAIN = ("extract", "format", "encode", "upload", "success_file")


@pytest.fixture
def customers(project: Project) -> Project:
    """Return a project whose warehouse has two customers."""
    with project.warehouse as warehouse:
        warehouse.execute("CREATE TABLE customers (id)")
        warehouse.executemany("INSERT INTO customers VALUES (?)", [(1,), (2,)])
    return project


def test_clearing_tasks_of_a_finished_delivery(customers: Project, capfd: pytest.CaptureFixture[str]) -> None:
    customers.describe("done", QUERY, settings=SETTINGS)
    run = customers.run("done")
    assert task_states(run) == dict.fromkeys(CHAIN, "success")
    before = customers.arrived()
    assert set(before) == {"out.csv", "out.csv.DONE"}

    def clear(*tasks: str) -> Any:
        capfd.readouterr()
        ended = customers.clear("done", run, *tasks)
        return ended[tasks[-1]], capfd.readouterr().out

    # success_file checks the files at the site again and writes .DONE again.
    (customers.inbox / "out.csv.DONE").unlink()
    assert clear("success_file")[0] == "success"
    assert customers.arrived() == before

    # upload sends nothing, because the files are already at the site.
    customers.site.written.clear()
    state, log = clear("upload", "success_file")
    assert state == "success"
    assert "all 1 file(s) are already at the site with the same content; nothing was sent" in log
    assert {path for path, *_ in customers.site.written if "0000001" in path} == set()
    assert customers.arrived() == before

    # A file that changed at the site meanwhile does not count as delivered.
    (customers.inbox / "out.csv").write_bytes(before["out.csv"][:-1] + b"?")
    for task in ("success_file", "upload"):
        state, log = clear(task)
        assert state == "failed"
        assert "clear the task 'extract' (or 'deliver') with all downstream tasks" in log
    (customers.inbox / "out.csv").unlink()
    state, log = clear("upload")
    assert state == "failed"
    assert "the site does not have them either" in log

    # A stage in the middle has no input any more.
    state, log = clear("encode")
    assert state == "failed"
    assert "Clear the run from its first task on (extract, with all downstream tasks)" in log
    # Clearing it has removed its earlier result.
    state, log = clear("upload")
    assert state == "failed"
    assert "there is no result of the previous stage" in log

    # All tasks from the query on, with other rows: the same delivery id, different content.
    (customers.inbox / "out.csv.DONE").write_bytes(b"stale")
    with customers.warehouse as warehouse:
        warehouse.execute("INSERT INTO customers VALUES (3)")
    assert clear(*CHAIN)[0] == "success"
    after = customers.arrived()
    assert gzip.decompress(after["out.csv"]) == ARRIVED + b"3\n"
    assert set(after) == set(before)
    assert after["out.csv.DONE"] != before["out.csv.DONE"]


def test_clearing_a_failed_upload_sends_the_files_of_the_previous_stage(customers: Project) -> None:
    customers.describe("repaired", QUERY, settings={**SETTINGS, "remote_folder": "/later", "if_exists": "fail"})
    run = customers.run("repaired")
    assert task_states(run)["upload"] == "failed"
    (customers.site.folder / "later").mkdir()
    assert customers.clear("repaired", run, "upload", "success_file") == {
        "upload": "success",
        "success_file": "success",
    }
    later = customers.site.folder / "later"
    assert {path.name for path in later.iterdir()} == {"out.csv", "out.csv.DONE"}


def test_clearing_an_interrupted_upload_resumes_and_logs_the_progress(
    project: Project, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(Folder):
        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            if offset > 500_000:
                self.connection.abort()
                raise asyncssh.SFTPConnectionLost("gone")
            return super().write(file_obj, offset, data)

    monkeypatch.setattr(reconnect, "FIRST_PAUSE", 0.01)
    query = (
        "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t LIMIT 9000) SELECT hex(randomblob(50)) FROM t"
    )
    project.describe("cut_off", query, settings={"filename_template": "out.csv"})
    project.site.serve(Cut)
    run = project.run("cut_off")
    assert task_states(run)["upload"] == "failed"
    project.site.serve(Folder)
    project.site.written.clear()
    capfd.readouterr()
    assert project.clear("cut_off", run, "upload", "success_file")["success_file"] == "success"
    log = capfd.readouterr().out
    progress = re.search(r"try 1 sent ([\d,]+) of ([\d,]+) bytes of /inbox/out.csv; resuming", log)
    assert progress is not None
    sent, size = (int(number.replace(",", "")) for number in progress.groups())
    assert 0 < sent < size == len(project.arrived()["out.csv"])
    assert sum(count for path, _, count in project.site.written if "0000001" in path) < size
    assert set(project.arrived()) == {"out.csv", "out.csv.DONE"}
    # There is nothing to resume after a finished upload.
    capfd.readouterr()
    assert project.clear("cut_off", run, "upload") == {"upload": "success"}
    assert "had sent" not in capfd.readouterr().out


def test_rows_that_changed_between_two_tries_never_mix(customers: Project) -> None:
    customers.describe("changed", QUERY, settings={**SETTINGS, "if_exists": "fail"})
    (customers.inbox / "out.csv").write_bytes(b"of another delivery")
    run = customers.run("changed")
    assert task_states(run)["upload"] == "failed"
    (customers.inbox / "out.csv").unlink()
    with customers.warehouse as warehouse:
        warehouse.execute("UPDATE customers SET id = id + 5")
    assert customers.clear("changed", run, *CHAIN)["success_file"] == "success"
    assert set(customers.arrived()) == {"out.csv", "out.csv.DONE"}
    assert gzip.decompress(customers.arrived()["out.csv"]) == b"id\n6\n7\n"


def test_clearing_a_finished_upload_without_a_success_file(customers: Project) -> None:
    customers.describe("plain_upload", QUERY, settings={**SETTINGS, "success_file": False})
    run = customers.run("plain_upload")
    assert customers.clear("plain_upload", run, "upload") == {"upload": "success"}
    assert {name: gzip.decompress(content) for name, content in customers.arrived().items()} == {"out.csv": ARRIVED}
