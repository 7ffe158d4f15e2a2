"""Deliveries that must fail: the log names the cause, and no file has its final name."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.airflow.customers import QUERY, SETTINGS
from support.airflow.runs import Project, gpg
from support.paths import REPO
from support.sites.keys import public_line, ssh_key
from support.stubs import full_backlog

SECRET = "jane.doe@example.com"


@pytest.mark.parametrize(
    ("orchestration", "log"),
    [
        ({"rows": {"fail_below": 10}}, "the query returned 3 rows, but rows.fail_below is 10"),
        ({"template": {"contract": "mine"}}, "column 'id': expected 32 lower-case hex digits, 3 row(s) differ"),
        ({"query": f"{QUERY} LIMIT 0"}, "the query returned no rows, and on_empty is 'fail'"),
        ({"query": "SELEC 1"}, 'near "SELEC": syntax error'),
        ({"settings": {"remote_folder": "/outbox"}}, "remote folder /outbox: there is no such folder"),
    ],
)
def test_a_streamed_delivery_that_fails_leaves_no_file_under_its_final_name(
    orchestration: dict[str, Any], log: str, customers: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    customers.write("contracts/mine.yaml", "columns:\n  - {name: id, type: md5_hex}\n")
    wanted = {"query": QUERY, **orchestration, "settings": {**SETTINGS, **orchestration.get("settings", {})}}
    customers.describe("guarded", execution="streamed", **wanted)
    assert customers.run("guarded").state == "failed"
    assert log in capfd.readouterr().out
    assert customers.arrived() == {}


def expired_key(home: Path) -> bytes:
    """Create a key that expired in 2020."""
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
    """Each failure names its cause and leaves no file under its final name."""

    @pytest.fixture(autouse=True)
    def _nothing_is_left(self, customers: Project, capfd: pytest.CaptureFixture[str]) -> Any:
        self.project, self.capfd = customers, capfd
        yield
        assert customers.arrived() == {}

    def failure(self, name: str, query: str = QUERY, **orchestration: Any) -> str:
        """Run an orchestration that must fail, and return its log."""
        settings = {**SETTINGS, **orchestration.pop("settings", {})}
        self.project.describe(name, query, settings=settings, **orchestration)
        assert self.project.run(name).state == "failed"
        return self.capfd.readouterr().out

    def test_a_wrong_pass_phrase_is_not_retried(self) -> None:
        self.project.connect(password="not the right one")
        log = self.failure("wrong_pass_phrase")
        assert "the site refused the login" in log
        assert "not the right one" not in log
        assert self.project.site.logins == ["password"]

    def test_a_wrong_host_key_is_reported(self) -> None:
        other = public_line(ssh_key("ssh-ed25519", "another"))
        self.project.connect(extra={"host_key": other})
        log = self.failure("wrong_host_key")
        assert "wrong host key: expected ssh-ed25519 SHA256:" in log
        assert self.project.site.logins == []

    def test_a_missing_remote_folder_is_reported(self) -> None:
        log = self.failure("no_folder", settings={"remote_folder": "/outbox"})
        assert "remote folder /outbox: there is no such folder" in log

    def test_an_expired_key_is_reported_before_the_query_runs(self, tmp_path: Path) -> None:
        self.project.write("keys/old.asc", expired_key(tmp_path / "gpg").decode())
        log = self.failure("expired", "SELECT nonsense", settings={"pgp_public_key": "old.asc"})
        assert "keys/old.asc" in log
        assert "expired on 2020-01-02" in log

    def test_a_syntax_error_is_reported(self) -> None:
        assert 'near "SELEC": syntax error' in self.failure("syntax", "SELEC 1")

    def test_an_empty_result_is_reported(self) -> None:
        assert "the query returned no rows, and on_empty is 'fail'" in self.failure("no_rows", f"{QUERY} LIMIT 0")

    def test_too_few_rows_are_reported(self) -> None:
        assert "the query returned 3 rows, but rows.fail_below is 10" in self.failure("few", rows={"fail_below": 10})

    def test_an_unreachable_site_is_reported(self) -> None:
        with full_backlog() as port:
            self.project.connect(port=port)
            assert "the site did not answer within the time-out" in self.failure("unreachable")

    def test_a_missing_source_is_reported(self) -> None:
        log = self.failure("no_source", source="nowhere")
        assert "source 'nowhere'" in log

    def test_nan_or_infinity_is_reported_without_values_of_the_row(self) -> None:
        with self.project.warehouse as warehouse:
            warehouse.execute("INSERT INTO customers VALUES (?, 9e999, 1)", [SECRET])
        log = self.failure("infinite")
        assert "row 4, column 'name': NaN or Infinity" in log
        assert SECRET not in log

    def test_a_broken_contract_is_reported(self) -> None:
        self.project.write("contracts/mine.yaml", "columns:\n  - {name: id, type: md5_hex}\n")
        log = self.failure("breach", template={"contract": "mine"})
        assert "column 'id': expected 32 lower-case hex digits, 3 row(s) differ, such as 1, 2, 3" in log


def test_broken_files_are_import_errors_and_do_not_hide_other_dags(customers: Project) -> None:
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
