"""Whole deliveries as Airflow runs them: from the query to `.DONE`, and every way in which one must fail."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.airflow.runs import (
    Project,
    airflow_database,
    database_dump,
    event_extra,
    gpg,
    pgp_home,
    project,
    task_states,
)
from support.paths import REPO
from support.sites.keys import public_line, ssh_key
from support.stubs import full_backlog

__all__ = ["airflow_database", "pgp_home", "project"]

CUSTOMERS = [("00012", 'Ann, "x"', None), ("0", "", 1.5), ("é\nñ😀", "b", 2.0)]
QUERY = "SELECT id, name, amount FROM customers ORDER BY rowid"
SETTINGS = {"encoding": "gzip", "filename_template": "out.csv.gz"}
SECRET = "jane.doe@example.com"


@pytest.fixture
def customers(project: Project) -> Project:
    """Give a project whose warehouse has three customers."""
    with project.warehouse as warehouse:
        warehouse.execute("CREATE TABLE customers (id, name, amount)")
        warehouse.executemany("INSERT INTO customers VALUES (?, ?, ?)", CUSTOMERS)
    return project


def test_an_encrypted_delivery_from_query_to_done(customers: Project, pgp_home: Path) -> None:
    (customers.config / "keys").mkdir(parents=True)
    (customers.config / "keys" / "receiver.asc").write_bytes(gpg(pgp_home, "--armor", "--export"))
    customers.describe("encrypted", QUERY, settings={**SETTINGS, "pgp_public_key": "receiver.asc"})

    run = customers.run("encrypted")

    assert run.state == "success"
    assert list(task_states(run)) == ["extract", "format", "encode", "encrypt", "upload", "success_file"]
    arrived = customers.arrived()
    assert list(arrived) == ["out.csv.gz.pgp", "out.csv.gz.pgp.DONE"]
    assert arrived["out.csv.gz.pgp.DONE"] == b""
    clear = gzip.decompress(gpg(pgp_home, "--decrypt", data=arrived["out.csv.gz.pgp"])).decode()
    assert clear == 'id,name,amount\n00012,"Ann, ""x""",\n0,"",1.5\n"é\nñ😀",b,2.0\n'
    assert list(customers.stage.glob("*/*")) == []


def test_an_encrypted_delivery_in_one_task(customers: Project, pgp_home: Path) -> None:
    customers.write("keys/receiver.asc", gpg(pgp_home, "--armor", "--export").decode())
    customers.describe("streamed", QUERY, settings={**SETTINGS, "pgp_public_key": "receiver.asc"}, execution="streamed")
    (customers.inbox / "out.csv.gz.pgp.DONE").touch()

    run = customers.run("streamed")

    assert run.state == "success"
    assert list(task_states(run)) == ["deliver", "success_file"]
    arrived = customers.arrived()
    assert list(arrived) == ["out.csv.gz.pgp", "out.csv.gz.pgp.DONE"]
    clear = gzip.decompress(gpg(pgp_home, "--decrypt", data=arrived["out.csv.gz.pgp"])).decode()
    assert clear == 'id,name,amount\n00012,"Ann, ""x""",\n0,"",1.5\n"é\nñ😀",b,2.0\n'
    assert not customers.stage.exists()
    receipt = event_extra("streamed")
    assert receipt["rows"] == len(CUSTOMERS)
    assert receipt["read_by"] == "dbapi"
    assert receipt["key_fingerprint"]
    assert [(file["remote_path"], file["sha256"]) for file in receipt["files"]] == [
        ("/inbox/out.csv.gz.pgp", hashlib.sha256(arrived["out.csv.gz.pgp"]).hexdigest())
    ]
    changes = [(operation.name, operation.path, operation.to) for operation in customers.site.changes()]
    hidden = next(change[1] for change in changes if change[1].endswith(".part"))
    assert [change for change in changes if change[2] or change[0] == "remove"][:2] == [
        ("remove", "/inbox/out.csv.gz.pgp.DONE", None),
        ("posix_rename", hidden, "/inbox/out.csv.gz.pgp"),
    ]


@pytest.fixture
def soon(tmp_path: Path) -> Iterator[Path]:
    """Make a key that expires in 20 days, in a GnuPG home of its own."""
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    gpg(home, "--quick-generate-key", "Soon", "future-default", "default", "20d")
    yield home
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


@pytest.mark.parametrize(
    ("execution", "origin"),
    [("chained", {"variable": "receiver_key"}), ("streamed", {"connection": "receiver_key"})],
)
def test_a_key_that_airflow_holds_and_that_expires_soon_and_a_signature(
    execution: str,
    origin: dict[str, str],
    customers: Project,
    soon: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    public = gpg(soon, "--armor", "--export").decode()
    private = gpg(soon, "--armor", "--export-secret-keys").decode()
    monkeypatch.setenv("AIRFLOW_VAR_RECEIVER_KEY", public)
    connections = {"RECEIVER_KEY": {"public_key": public}, "OWN_KEY": {"private_key": private}}
    for name, extra in connections.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({"conn_type": "generic", "extra": extra}))
    keys = {"pgp_public_key": origin, "pgp_signing_key": {"connection": "own_key"}, "pgp_armor": True}
    customers.describe("held", QUERY, settings={**SETTINGS, **keys}, execution=execution)

    assert customers.run("held").state == "success"

    message = customers.arrived()["out.csv.gz.pgp"]
    assert message.startswith(b"-----BEGIN PGP MESSAGE-----\n")
    clear = gzip.decompress(gpg(soon, "--decrypt", data=message)).decode()
    assert clear == 'id,name,amount\n00012,"Ann, ""x""",\n0,"",1.5\n"é\nñ😀",b,2.0\n'
    assert b"GOODSIG" in gpg(soon, "--status-fd", "1", "--decrypt", data=message)
    receipt = event_extra("held")
    assert receipt["key_fingerprint"]
    (warning,) = receipt["warnings"]
    assert "expires on" in warning
    assert warning in capfd.readouterr().out


@pytest.mark.parametrize(
    ("orchestration", "log"),
    [
        ({"rows": {"fail_below": 10}}, "the query gave 3 rows, but rows.fail_below is 10"),
        ({"template": {"contract": "mine"}}, "column 'id': expected 32 lower-case hex digits, 3 row(s) differ"),
        ({"query": f"{QUERY} LIMIT 0"}, "the query gave no rows, and on_empty is 'fail'"),
        ({"query": "SELEC 1"}, 'near "SELEC": syntax error'),
        ({"settings": {"remote_folder": "/outbox"}}, "remote folder /outbox: there is no such folder"),
    ],
)
def test_a_guard_stops_a_streamed_delivery_before_anything_has_its_final_name(
    orchestration: dict[str, Any], log: str, customers: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    customers.write("contracts/mine.yaml", "columns:\n  - {name: id, type: md5_hex}\n")
    wanted = {"query": QUERY, **orchestration, "settings": {**SETTINGS, **orchestration.get("settings", {})}}
    customers.describe("guarded", execution="streamed", **wanted)
    assert customers.run("guarded").state == "failed"
    assert log in capfd.readouterr().out
    assert customers.arrived() == {}


def test_nothing_has_its_final_name_before_it_is_complete_and_done_comes_last(customers: Project) -> None:
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


def test_stages_that_are_off_have_no_task(customers: Project) -> None:
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
def test_split_outputs_have_one_done(project: Project, encoding: str, names: list[str]) -> None:
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


def test_the_number_of_rows_may_not_change_too_much(customers: Project, capfd: pytest.CaptureFixture[str]) -> None:
    customers.describe("steady", QUERY, settings=SETTINGS, change={"fail_above_percent": 50})
    assert customers.run("steady").state == "success"
    with customers.warehouse as warehouse:
        warehouse.executemany("INSERT INTO customers VALUES (?, ?, ?)", CUSTOMERS)
    before = customers.arrived()
    assert customers.run("steady").state == "failed"
    assert "the query gave 6 rows, the last delivery had 3" in capfd.readouterr().out
    assert customers.arrived() == before


def test_a_connection_of_type_sftp_works_too(customers: Project) -> None:
    customers.connect("sftp", extra={"conn_timeout": 3})
    customers.describe("by_sftp", QUERY, settings=SETTINGS)
    assert customers.run("by_sftp").state == "success"


def expired_key(home: Path) -> bytes:
    """Make a key that expired in 2020."""
    home.mkdir(mode=0o700)
    gpg(
        home,
        "--faked-system-time",
        "20200101T000000!",
        "--quick-generate-key",
        "Old",
        "future-default",
        "default",
        "1d",
    )
    key = gpg(home, "--armor", "--export")
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)
    return key


class TestFailures:
    """Each names the culprit, and leaves nothing under a final name."""

    @pytest.fixture(autouse=True)
    def _nothing_is_left(self, customers: Project, capfd: pytest.CaptureFixture[str]) -> Any:
        self.project, self.capfd = customers, capfd
        yield
        assert customers.arrived() == {}

    def failure(self, name: str, query: str = QUERY, **orchestration: Any) -> str:
        """Run what must fail, and give what the log says."""
        settings = {**SETTINGS, **orchestration.pop("settings", {})}
        self.project.describe(name, query, settings=settings, **orchestration)
        assert self.project.run(name).state == "failed"
        return self.capfd.readouterr().out

    def test_a_wrong_pass_phrase_is_one_attempt(self) -> None:
        self.project.connect(password="not the right one")
        log = self.failure("wrong_pass_phrase")
        assert "the site refused the login" in log
        assert "not the right one" not in log
        assert self.project.site.logins == ["password"]

    def test_a_wrong_host_key(self) -> None:
        other = public_line(ssh_key("ssh-ed25519", "another"))
        self.project.connect(extra={"host_key": other})
        log = self.failure("wrong_host_key")
        assert "wrong host key: expected ssh-ed25519 SHA256:" in log
        assert self.project.site.logins == []

    def test_no_such_remote_folder(self) -> None:
        log = self.failure("no_folder", settings={"remote_folder": "/outbox"})
        assert "remote folder /outbox: there is no such folder" in log

    def test_an_expired_key_before_the_query_runs(self, tmp_path: Path) -> None:
        self.project.write("keys/old.asc", expired_key(tmp_path / "gpg").decode())
        log = self.failure("expired", "SELECT nonsense", settings={"pgp_public_key": "old.asc"})
        assert "keys/old.asc" in log
        assert "expired on 2020-01-02" in log

    def test_a_syntax_error(self) -> None:
        assert 'near "SELEC": syntax error' in self.failure("syntax", "SELEC 1")

    def test_no_rows(self) -> None:
        assert "the query gave no rows, and on_empty is 'fail'" in self.failure("no_rows", f"{QUERY} LIMIT 0")

    def test_too_few_rows(self) -> None:
        assert "the query gave 3 rows, but rows.fail_below is 10" in self.failure("few", rows={"fail_below": 10})

    def test_an_unreachable_site(self) -> None:
        with full_backlog() as port:
            self.project.connect(port=port)
            assert "the site did not answer within the time-out" in self.failure("unreachable")

    def test_a_source_that_is_not_there(self) -> None:
        log = self.failure("no_source", source="nowhere")
        assert "source 'nowhere'" in log

    def test_a_value_without_text_is_not_shown(self) -> None:
        with self.project.warehouse as warehouse:
            warehouse.execute("INSERT INTO customers VALUES (?, 9e999, 1)", [SECRET])
        log = self.failure("infinite")
        assert "row 4, column 'name': NaN or Infinity" in log
        assert SECRET not in log

    def test_a_broken_contract(self) -> None:
        self.project.write("contracts/mine.yaml", "columns:\n  - {name: id, type: md5_hex}\n")
        log = self.failure("breach", template={"contract": "mine"})
        assert "column 'id': expected 32 lower-case hex digits, 3 row(s) differ, such as 1, 2, 3" in log


def test_a_broken_file_hides_no_other_dag_and_shows_under_import_errors(customers: Project) -> None:
    from airflow.dag_processing.dagbag import DagBag

    customers.describe("fine", QUERY, settings=SETTINGS)
    customers.describe("broken", QUERY, settings=SETTINGS, line_ending="LF")
    customers.describe("no_query", QUERY, settings=SETTINGS)
    (customers.config / "queries" / "no_query.sql").unlink()

    bag = DagBag(REPO / "dags")

    assert sorted(bag.dag_ids) == ["fine", "persado_done_receiver", "persado_receiver"]
    [(file, error)] = bag.import_errors.items()
    assert Path(file).name == "persado_config_errors.py"
    assert "orchestrations/broken.yaml:2: 'line_ending' is a setting. Move it under 'settings:'" in error
    assert "orchestrations/no_query.yaml:2: " in error
    assert "no_query.sql" in error


def test_no_secret_and_no_customer_value_in_logs_and_database(
    customers: Project, pgp_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    value = "mary.major@example.com"  # no other test's query quotes it
    with customers.warehouse as warehouse:
        warehouse.execute("INSERT INTO customers VALUES ('1', ?, 1)", [value])
    customers.write("keys/receiver.asc", gpg(pgp_home, "--armor", "--export").decode())
    customers.describe("silent", QUERY, settings={**SETTINGS, "pgp_public_key": "receiver.asc"})
    assert customers.run("silent").state == "success"

    captured = capfd.readouterr()
    database = database_dump()
    assert "silent" in database
    logs = b"".join(path.read_bytes() for path in Path(os.environ["AIRFLOW_HOME"]).rglob("*.log"))
    password = customers.site.site().password
    assert password
    for secret in (password, value, "PGP PUBLIC KEY"):
        assert secret not in captured.out + captured.err
        assert secret not in database
        assert secret.encode().hex().upper() not in database  # as it shows what is binary
        assert secret.encode() not in logs


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
