"""PostgreSQL formats a delivery with COPY where it can; file and errors equal those of the path through Arrow."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support import postgres
from support.files.formatted import BY_ARROW, COPIED, written
from support.files.tabular import file_of, settings
from support.streaming import VALUES

from persado.errors import ConfigurationError, RejectedError
from persado.pipeline import chained
from persado.pipeline.extract.engines import extract, formatted_text
from persado.pipeline.format.split import parts
from persado.pipeline.names import Names
from persado.pipeline.recipe import Recipe
from persado.pipeline.rows.row_spec import RowSpec, apply_row_spec
from persado.pipeline.stage.area import StageArea
from persado.settings.models.columns import Column
from persado.settings.models.contract import Contract


@pytest.fixture(scope="module")
def pg(pg_with_unusual_settings: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    return pg_with_unusual_settings


def test_selected_columns_and_constants_are_copied(pg: Any) -> None:
    columns = (
        Column(name="again", from_="B"),
        Column(name="ü 'x' \\", value='it\'s \\ "constant"'),
        Column(name="n", value=7),
        Column(name="yes", value=True),
        Column(name="nothing", value=None),
        Column(name="B"),
    )
    sql = "SELECT 1 AS a, 'x' AS b, true AS \"B\"; "
    wanted = settings(quote_mode="all_non_numeric", row_number="row")
    head = '"row","again","ü \'x\' \\","n","yes","nothing","B"\n'
    row = '1,"true","it\'s \\ ""constant""",7,"true",,"true"\n'
    assert written(pg, sql, wanted, RowSpec(columns=columns)) == (COPIED, (head + row).encode())
    with pytest.raises(ConfigurationError, match="wants the column 'c', which the query does not return"):
        written(pg, sql, wanted, RowSpec(columns=(Column(name="c"),)))


def test_split_by_rows(pg: Any) -> None:
    sql = "SELECT i, 'row ' || i AS text FROM generate_series(1, 120000) AS t(i)"
    wanted = settings(split={"rows": 50_000}, row_number="n")
    found: dict[int, bytes] = {}
    rows: dict[int, int] = {}
    with formatted_text(pg, sql, RowSpec(), wanted) as text:
        for part, count, block in text.blocks:
            found[part] = found.get(part, b"") + block
            rows[part] = rows.get(part, 0) + count
        assert text.read_by == COPIED
    with extract(pg, sql) as reference:
        expected: dict[int, bytes] = {}
        for part, _, block in parts(reference.batches, reference.columns, wanted):
            expected[part] = expected.get(part, b"") + block
    assert rows == {1: 50_000, 2: 50_000, 3: 20_000}
    assert found == expected


NO_COPY: dict[str, tuple[dict[str, Any], RowSpec]] = {
    "quote mode none": ({"quote_mode": "none"}, RowSpec()),
    "a delimiter of several bytes": ({"file_format": "custom", "delimiter": "é"}, RowSpec()),
    "a delimiter inside numbers": ({"file_format": "custom", "delimiter": "1"}, RowSpec()),
    "parts by megabytes": ({"split": {"megabytes": 1}}, RowSpec()),
}


@pytest.mark.parametrize(("wanted", "row_spec"), NO_COPY.values(), ids=NO_COPY)
def test_settings_that_copy_does_not_support_go_through_arrow(
    wanted: dict[str, Any], row_spec: RowSpec, pg: Any
) -> None:
    sql = "SELECT 1.5 AS x, 'a,é' AS y -- that's it"
    assert written(pg, sql, settings(**wanted), row_spec) == (BY_ARROW, file_of(pg, sql, **wanted))


def test_comment_after_the_semicolon_goes_through_arrow(pg: Any) -> None:
    assert written(pg, "SELECT 1 AS a; -- done", settings()) == (BY_ARROW, b"a\n1\n")
    assert written(pg, "SELECT 1 AS a -- done", settings()) == (COPIED, b"a\n1\n")


@pytest.mark.parametrize(
    "sql", ["SELECT 1) AS q) TO STDOUT; SELECT ((1", "SELECT 1; SELECT 2", "DELETE FROM given", ""]
)
def test_only_one_select_is_run(sql: str, pg: Any) -> None:
    with pytest.raises(ConfigurationError):
        written(pg, sql, settings())
    pg.rollback()


def test_columns_are_computed_once_and_errors_hide_values(pg: Any, caplog: pytest.LogCaptureFixture) -> None:
    sql = "SELECT 1.5 + nextval('counter') AS x FROM generate_series(1, 3)"
    pg.execute("CREATE TEMPORARY SEQUENCE counter")
    assert written(pg, sql, settings()) == (COPIED, b"x\n2.5\n3.5\n4.5\n")
    sql = "SELECT CASE WHEN i < 9999 THEN i ELSE ('secret' || i)::int END FROM generate_series(1, 10000) AS t(i)"
    with pytest.raises(ConfigurationError, match="SQLSTATE 22P02") as caught:
        written(pg, sql, settings())
    assert "secret" not in str(caught.value) + caplog.text
    assert pg.execute("SELECT 1").fetchone() == (1,)


def test_large_rows_do_not_accumulate_in_a_block(pg: Any) -> None:
    # The first row makes libpq's buffer grow, so that many of the other rows are available at once.
    size = "CASE WHEN i = 1 THEN 20000000 ELSE 9000 END"
    sql = f"SELECT i, repeat('x', {size}) AS b FROM generate_series(1, 500) AS t (i)"
    with formatted_text(pg, sql, RowSpec(), settings()) as text:
        head, first, *others = text.blocks
    assert text.read_by == COPIED
    assert sum(rows for _, rows, _ in (head, first, *others)) == 500
    assert max(len(block) for _, _, block in others) < 150_000
    assert b"".join(block for _, _, block in (head, first, *others)) == file_of(pg, sql)


@pytest.mark.parametrize("autocommit", [False, True])
def test_reading_can_stop_early(autocommit: bool) -> None:
    with postgres.connect(autocommit=autocommit, row_factory=psycopg.rows.dict_row) as connection:
        with formatted_text(connection, "SELECT i FROM generate_series(1, 1000000) t(i)", RowSpec(), settings()) as t:
            assert [next(t.blocks)[1], next(t.blocks)[1] > 0] == [0, True]
        assert written(connection, "SELECT 1 AS a", settings()) == (COPIED, b"a\n1\n")


@pytest.mark.parametrize("wanted", [{}, {"quote_mode": "none"}], ids=str)
def test_select_without_columns_is_refused(wanted: dict[str, Any], pg: Any) -> None:
    with pytest.raises(ConfigurationError, match="returns no rows and no columns"):
        written(pg, "SELECT FROM generate_series(1, 3)", settings(**wanted))


def test_result_without_rows_has_a_header(pg: Any) -> None:
    assert written(pg, 'SELECT 1 AS a, 2 AS "B c" WHERE false', settings()) == (COPIED, b"a,B c\n")


@pytest.mark.parametrize("wanted", [{}, {"split": {"rows": 50_000}}, {"quote_mode": "none"}], ids=str)
def test_chained_delivery_stores_the_text_that_the_database_wrote(
    wanted: dict[str, Any], pg: Any, tmp_path: Path
) -> None:
    area, sql = StageArea(tmp_path, "x"), "SELECT i, ' a' AS b FROM generate_series(1, 60000) AS t(i)"
    names = Names(settings(**wanted), VALUES)
    extracted, read_by = chained.extract_stage(area, pg, sql, RowSpec(), settings(**wanted), lambda rows, size: None)
    files = chained.format_stage(area, extracted, Recipe(names), lambda rows, size: None)
    assert (read_by, files[0].uri == extracted.uri) == ((COPIED, True) if not wanted else (BY_ARROW, False))
    sizes = [50_000, 10_000] if "split" in wanted else [60_000]
    assert [file.rows for file in files] == sizes
    assert files[0].name == ("0000001.csv" if "split" in wanted else "table.csv")
    text = b"".join(area.open(file).read() for file in files)
    assert text.count(b"\n") == 60_000 + len(files)


@pytest.mark.parametrize("split", [None, {"rows": 50_000}, {"megabytes": 1}], ids=str)
def test_row_number_with_the_name_of_a_column_is_refused_before_rows_are_read(
    split: dict[str, int] | None, pg: Any, tmp_path: Path
) -> None:
    wanted = settings(row_number="id", split=split)
    sql = "SELECT i AS id, 1 / (9000 - i) AS x FROM generate_series(1, 9000) AS t(i)"  # the last row fails
    message = "row_number: 'id' is also a column of the query; choose another name"
    with pytest.raises(ConfigurationError, match=message):
        written(pg, sql, wanted)
    pg.rollback()
    with pytest.raises(ConfigurationError, match=message):
        chained.extract_stage(StageArea(tmp_path, "x"), pg, sql, RowSpec(), wanted, lambda rows, size: None)
    pg.rollback()


CONTRACT = Contract.model_validate(
    {
        "columns": [
            {"name": "hash", "type": "md5_hex", "nullable": False},
            {"name": "sent", "type": "unix_seconds"},
            {"name": "day", "type": "date"},
            {"name": "count", "type": "integer", "nullable": False},
            {"name": "absent", "required": False},
        ]
    }
)
SOUND = "md5(i::text) AS hash, 1700000000 + i AS sent, '2026-01-02'::date AS day, i::text AS count, 'x' AS more"


def test_postgresql_checks_the_contract(pg: Any) -> None:
    row_spec = RowSpec(contract=CONTRACT)
    sql = f"SELECT {SOUND} FROM generate_series(1, 3000) AS t(i)"
    for wanted in ({}, {"quote_mode": "all_non_numeric"}, {"quote_mode": "all"}):
        assert written(pg, sql, settings(**wanted), row_spec) == (COPIED, file_of(pg, sql, **wanted))
    with pytest.raises(RejectedError, match=r"requires the column\(s\) hash, sent, day, count"):
        written(pg, "SELECT 1 AS a", settings(), row_spec)


def test_broken_contract_is_reported_like_through_arrow(pg: Any) -> None:
    sql = """
        SELECT CASE WHEN i % 7 > 0 THEN md5(i::text) WHEN i % 2 = 0 THEN '' END AS hash,
          CASE WHEN i = 2500 THEN -1 WHEN i > 10 THEN i END AS sent,
          CASE i WHEN 3 THEN E'2026-01-02\\n' WHEN 4 THEN '2026-1-2' ELSE '2026-01-02' END AS day,
          CASE i WHEN 5 THEN '1.0' WHEN 6 THEN NULL ELSE i::text END AS count
        FROM generate_series(1, 3000) AS t(i)
    """
    row_spec = RowSpec(contract=CONTRACT)
    with pytest.raises(RejectedError) as copied:
        written(pg, sql, settings(), row_spec)
    with pytest.raises(RejectedError) as by_arrow, extract(pg, sql) as rows:
        list(apply_row_spec(rows, row_spec)[1])
    messages = [set(str(caught.value).removeprefix("the contract is broken, nothing was sent: ").split("; "))
                for caught in (copied, by_arrow)]  # fmt: skip
    assert messages[0] == messages[1]
    assert len(messages[0]) == 5


def test_signal_cancels_the_query_on_the_server() -> None:
    class Stop(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Stop

    before = signal.signal(signal.SIGALRM, stop)
    with postgres.connect() as connection, postgres.connect(autocommit=True) as other:
        backend = connection.info.backend_pid
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            with pytest.raises(Stop):
                written(
                    connection, "SELECT i, pg_sleep(i)::text FROM generate_series(0, 1000, 500) AS t(i)", settings()
                )
        finally:
            signal.signal(signal.SIGALRM, before)
        connection.close()
        end = time.monotonic() + 30
        while other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [backend]).fetchall():
            assert time.monotonic() < end
            time.sleep(0.05)
