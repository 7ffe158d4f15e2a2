"""The preview of a delivery, as dry runs show it, and the command `python -m persado preview`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support import postgres
from support.airflow.runs import Project, airflow_database, project
from support.files.tabular import settings

from persado.cli import main
from persado.errors import ConfigurationError
from persado.pipeline.extract import dbapi as from_dbapi
from persado.pipeline.names import Names
from persado.pipeline.preview import Preview, preview
from persado.pipeline.rows.row_spec import RowSpec
from persado.settings import Column, Contract
from persado.settings.filenames.template import NameValues

__all__ = ["airflow_database", "project"]

SECRET = "jane.doe@example.com"


def names(**given: Any) -> Names:
    """Return the names of a run's files."""
    values = NameValues(now=datetime(2026, 11, 24, tzinfo=UTC), orchestration="o", run_id="r")
    return Names(settings(**{"filename_template": "out.csv", **given}), values)


def preview_of(sql: str, *columns: dict[str, Any], **given: Any) -> Preview:
    """Return the preview of a query in an empty DuckDB."""
    chosen = tuple(Column.model_validate(column) for column in columns) or None
    contract = Contract.model_validate(given.pop("contract")) if "contract" in given else None
    options = {key: given.pop(key) for key in ("rows", "count") if key in given}
    with duckdb.connect() as connection:
        return preview(connection, sql, names(**given), RowSpec(columns=chosen, contract=contract), **options)


def test_rows_are_shown_as_they_would_be_sent() -> None:
    found = preview_of(
        "SELECT i AS a, CASE WHEN i > 1 THEN 'x,' || i END AS b FROM range(100) t(i)",
        rows=3, row_number="n", quote_mode="all_non_null", line_ending="CRLF",
    )  # fmt: skip
    assert found.text == '"n","a","b"\r\n"1","0",\r\n"2","1",\r\n"3","2","x,2"\r\n'
    assert [(column.name, column.type, column.pii) for column in found.columns] == [
        ("a", "int64", False),
        ("b", "string", False),
    ]
    assert (found.rows, found.total, found.problems) == (3, None, ())


def test_a_masked_value_shows_neither_its_length_nor_whether_it_is_null() -> None:
    found = preview_of(
        f"SELECT * FROM (VALUES (1, '{SECRET}'), (2, ''), (3, NULL)) t(id, mail)",
        {"name": "id"}, {"name": "address", "from": "mail", "pii": True}, {"name": "k", "value": "key", "pii": True},
    )  # fmt: skip
    assert found.text == "id,address,k\n1,***,***\n2,***,***\n3,***,***\n"
    assert found.total == 3
    assert SECRET not in repr(found)
    assert "key" not in repr(found)
    assert [(column.origin, column.pii) for column in found.columns] == [
        ("", False),
        ("from mail", True),
        ("constant", True),
    ]


@pytest.mark.parametrize("sql", ["SELECT i FROM range(50000) t(i)", "SELECT i FROM range(50000) t(i) ORDER BY i;  "])
def test_rows_are_counted_by_the_database(sql: str) -> None:
    assert preview_of(sql, count=True).total == 50_000


def test_rows_are_counted_by_reading_if_the_database_cannot_count_them() -> None:
    # A subquery must not contain a semicolon, and this one is not at the end.
    assert preview_of("SELECT i FROM range(50000) t(i); -- all", count=True).total == 50_000


def test_at_most_one_batch_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    monkeypatch.setattr(from_dbapi, "FIRST_ROWS", 20)
    seen: list[int] = []
    connection = sqlite3.connect(":memory:")
    connection.create_function("seen", 1, seen.append)
    endless = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t) SELECT i FROM t WHERE seen(i) IS NULL"
    found = preview(connection, endless, names(header=False), RowSpec(), rows=2)
    connection.close()
    assert found.text == "1\n2\n"
    assert len(seen) <= 21


def test_postgresql_counts_and_its_connection_stays_usable() -> None:
    with postgres.connect() as connection:
        sql = "SELECT i, i::numeric(9, 2) AS n FROM generate_series(1, 30000) i -- rows"
        found = preview(connection, sql, names(), RowSpec(), rows=2, count=True)
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert found.text == "i,n\n1,1.00\n2,2.00\n"
    assert found.total == 30_000


def test_the_names_of_parts_are_shown() -> None:
    split: dict[str, Any] = {"split": {"rows": 50_000}, "split_directory_template": "p"}
    loose = preview_of("SELECT 1 AS a", **split, pgp_public_key="k.asc")
    assert loose.files == ("p/0000001.csv.pgp", "p/0000002.csv.pgp")
    assert loose.done == "p.DONE"
    archived = preview_of("SELECT 1 AS a", **split, encoding="tgz", success_file=False)
    assert archived.files == ("p",)
    assert archived.members == ("0000001.csv", "0000002.csv")
    assert archived.done is None


def test_problems_are_shown_together_with_the_rows() -> None:
    found = preview_of(
        f"SELECT '{SECRET}' AS mail, 1 AS a",
        filename_template="{{data_interval_start}}.csv",
        contract={"columns": [{"name": "mail", "type": "md5_hex"}]},
    )
    assert found.text == f"mail,a\n{SECRET},1\n"
    name, breach = found.problems
    assert "this run has no data_interval_start" in name
    assert breach.endswith("column 'mail': expected 32 lower-case hex digits, 1 row(s) differ, such as 1")


def test_a_missing_column_is_a_problem() -> None:
    found = preview_of("SELECT 1 AS a", {"name": "b"})
    assert "wants the column 'b', which the query does not return" in found.problems[0]
    assert (found.text, found.files) == ("", ("out.csv",))


def test_a_missing_required_column_is_a_problem() -> None:
    found = preview_of("SELECT 1 AS a", contract={"columns": [{"name": "b"}]})
    assert "the contract requires the column(s) b" in found.problems[0]
    assert found.text == "a\n1\n"


def test_a_value_without_text_is_found_in_a_masked_column_too() -> None:
    found = preview_of("SELECT 'nan'::DOUBLE AS a", {"name": "a", "pii": True})
    assert "row 1, column 'a': NaN or Infinity" in found.problems[0]
    assert found.text == "a\n"


def test_a_query_that_the_database_refuses_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="nonsense"):
        preview_of("SELECT nonsense")


def test_the_preview_of_an_empty_result_is_the_header() -> None:
    found = preview_of("SELECT 1 AS a LIMIT 0")
    assert (found.text, found.total) == ("a\n", 0)


class TestCommand:
    """The command, with the connection in the environment as in a shell."""

    @pytest.fixture(autouse=True)
    def _project(self, project: Project, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
        with project.warehouse as warehouse:
            warehouse.execute("CREATE TABLE customers (id, mail)")
            warehouse.executemany("INSERT INTO customers VALUES (?, ?)", [(f"{i:03}", SECRET) for i in range(40)])
        self.project, self.capsys = project, capsys
        yield
        assert project.arrived() == {}
        assert list(project.stage.rglob("*")) == []
        assert project.site.logins == []

    def preview(self, *arguments: str, code: int = 0) -> tuple[list[str], list[str]]:
        """Run the command; return the lines of its output and of its errors."""
        name, *options = arguments
        assert main(["preview", name, str(self.project.config), *options]) == code
        output = self.capsys.readouterr()
        return output.out.splitlines(), output.err.splitlines()

    def test_the_complete_output(self) -> None:
        self.project.describe(
            "whole",
            "SELECT id, mail, '{{ ds }}' AS day, {{ params.limit }} AS n FROM customers LIMIT {{ params.limit }}",
            settings={"filename_template": "{{data_interval_start|format:'yyyyMMdd'}}.csv.gz", "encoding": "gzip"},
            template={"columns": [{"name": "id"}, {"name": "address", "from": "mail", "pii": True}, {"name": "day"}]},
            workflow={"schedule": "0 0 * * *", "timezone": "UTC"},
            params={"limit": {"type": "integer", "default": 5, "maximum": 30}},
            rows={"warn_above": 25},
        )
        lines, errors = self.preview("whole", "--date=2026-03-05", "--param=limit=30", "--rows=2", "--count")
        assert errors == []
        assert lines[0] == "Preview of whole: nothing is sent"
        assert {"  /inbox/20260304.csv.gz", "  /inbox/20260304.csv.gz.DONE, last"} <= set(lines)
        words = [line.split() for line in lines]
        assert ["address", "from", "mail", "string", "PII,", "shown", "as", "***"] in words
        assert ["encoding", "gzip", "destinations/whole_site.yaml:3"] in words
        rows = lines.index("The first rows (2), as they would be written; the query returns 30")
        assert lines[rows + 1 : rows + 4] == ["id,address,day", "000,***,2026-03-05", "001,***,2026-03-05"]
        assert lines[-2:] == ["Warnings", "  the query returned 30 rows, more than rows.warn_above (25)"]
        assert SECRET not in "".join(lines)

    def test_problems_are_shown_and_set_the_exit_code(self) -> None:
        self.project.write("keys/bad.asc", "no key")
        self.project.describe(
            "failing",
            "SELECT id FROM customers LIMIT 0",
            settings={"filename_template": "x", "pgp_public_key": "bad.asc"},
        )
        lines, errors = self.preview("failing", code=1)
        assert errors == []
        problems = lines[lines.index("This delivery would fail") + 1 :]
        assert "bad.asc" in problems[0]
        assert problems[1].startswith("  the query returned no rows, and on_empty is 'fail'")
        assert "The query returns no rows" in lines

    @pytest.mark.parametrize(
        ("query", "arguments", "error"),
        [
            ("SELEC 1", (), 'the query failed: near "SELEC": syntax error'),
            ("\n{{ params.nothing }}", (), "queries/wrong.sql:2: Airflow cannot render it: 'dict object' has no attri"),
            (
                "SELECT 1\n{% include 'none.sql' %}",
                (),
                "queries/wrong.sql:2: Airflow cannot render it: 'none.sql' not found",
            ),
            ("SELECT 1", ("--param=kin=x",), "--param kin: unknown parameter. Did you mean 'kind'?"),
            ("SELECT 1", ("--param=kind=7",), "--param kind: 7 is not one of ['a', 'b']"),
            ("SELECT 1", (), "the parameter kind has no default. Set it with --param kind=..."),
        ],
    )
    def test_a_mistake_is_reported_in_one_line(self, query: str, arguments: tuple[str, ...], error: str) -> None:
        needed = () if "default" in error or arguments else ("--param=kind=a",)
        self.project.describe(
            "wrong", query, settings={"filename_template": "x"}, params={"kind": {"enum": ["a", "b"]}}
        )
        lines, errors = self.preview("wrong", *arguments, *needed, code=1)
        assert lines == []
        assert len(errors) == 1
        assert errors[0].startswith(error)

    def test_an_unknown_orchestration_or_source_is_reported(self) -> None:
        self.project.describe("known", "SELECT 1 AS a", settings={"filename_template": "x"}, source="nowhere")
        assert self.preview("knwn", code=1)[1][0].endswith("Did you mean 'known'?")
        [error] = self.preview("known", code=1)[1]
        assert error.startswith("source 'nowhere': ")

    def test_an_unreachable_warehouse_is_reported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        nowhere = {"conn_type": "postgres", "host": "127.0.0.1", "port": 1, "login": "x", "password": "hush"}
        monkeypatch.setenv("AIRFLOW_CONN_NOWHERE", json.dumps(nowhere))
        self.project.describe("far", "SELECT 1 AS a", settings={"filename_template": "x"}, source="nowhere")
        [error] = self.preview("far", code=1)[1]
        assert error.startswith("cannot connect to 'nowhere': ")
        assert "hush" not in error

    def test_the_connection_is_read_from_the_metadata_database(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Runs in a separate process, whose whole output must be the preview."""
        from airflow.models import Connection
        from airflow.utils.session import create_session

        with create_session() as session:
            session.add(Connection(conn_id="kept_warehouse", **json.loads(os.environ["AIRFLOW_CONN_WAREHOUSE"])))
        self.project.describe(
            "kept", "SELECT id FROM customers", settings={"filename_template": "x"}, source="kept_warehouse"
        )
        done = subprocess.run(
            [sys.executable, "-m", "persado", "preview", "kept", "--rows=1"],
            capture_output=True, text=True, check=False, cwd=self.project.config,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert [lines[0], *lines[-2:]] == ["Preview of kept: nothing is sent", "id", "000"]


def test_the_error_without_airflow(tmp_path: Path) -> None:
    (tmp_path / "airflow.py").write_text("raise ImportError('blocked', name='airflow')")
    files = {
        "destinations/d.yaml": "{connection: site, settings: {filename_template: x}}",
        "data_templates/t.yaml": "{destination: d}",
        "orchestrations/o.yaml": "{query: o.sql, source: s, data_template: t}",
        "queries/o.sql": "SELECT 1",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "persado", "preview", "o", str(tmp_path)],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("a preview needs Airflow, which is not installed here (airflow)")
