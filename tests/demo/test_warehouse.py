"""The sample warehouse, and the two queries that run on it."""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import pytest
from support.paths import REPO

from demo.warehouse import make_warehouse

QUERIES = REPO / "include" / "persado" / "queries"
TODAY = date(2026, 3, 2)
START = datetime(2026, 3, 1, 11, tzinfo=UTC)
END = START + timedelta(days=1)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("warehouse") / "warehouse.duckdb"
    assert make_warehouse(path, today=TODAY)
    return path


@pytest.fixture
def warehouse(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(path), read_only=True) as connection:
        yield connection


def run_query(connection: duckdb.DuckDBPyConnection, name: str) -> duckdb.DuckDBPyRelation:
    template = jinja2.Template((QUERIES / name).read_text(encoding="utf-8"), undefined=jinja2.StrictUndefined)
    return connection.sql(template.render(data_interval_start=START, data_interval_end=END))


def everything(connection: duckdb.DuckDBPyConnection) -> list[Any]:
    return [
        connection.sql(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {table} ORDER BY ALL").fetchall()
        for table in ("customers", "segments", "email_engagement")
    ]


def test_it_has_enough_customers_and_each_kind_of_untidy_value(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert warehouse.sql("SELECT count(*) FROM customers").fetchall()[0][0] >= 20_000
    for dirt in (
        "loyalty_id LIKE '0%'",
        "postal_code LIKE '0%'",
        "given_name LIKE '%,%'",
        "given_name LIKE '%\"%'",
        "registration_source LIKE '%' || chr(10) || '%'",
        "surname = '佐藤'",
        "gender IS NULL",
        "gender = ''",
        "email LIKE '%+news@%'",
        "email IS NULL",
        "email <> lower(email)",
    ):
        assert warehouse.sql(f"SELECT count(*) FROM customers WHERE {dirt}").fetchall()[0][0] > 0, dirt
    assert warehouse.sql("SELECT count(*) FROM segments WHERE segment_name LIKE '%🎁%'").fetchall()[0][0] > 0


def test_every_value_depends_on_seed_and_day_only(tmp_path: Path) -> None:
    tables = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_warehouse(tmp_path / name, today=TODAY, customers=2000, seed=seed)
        with duckdb.connect(str(tmp_path / name), read_only=True) as connection:
            tables.append(everything(connection))
    assert tables[0] == tables[1]
    assert tables[0] != tables[2]


def test_it_is_recreated_only_when_out_of_date_or_broken(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    assert make_warehouse(path, today=TODAY, customers=2000)
    assert not make_warehouse(path, today=TODAY, customers=2000)
    assert make_warehouse(path, today=TODAY + timedelta(days=1), customers=2000)
    path.write_bytes(b"no database")
    assert make_warehouse(path, today=TODAY, customers=2000)
    assert [file.name for file in tmp_path.iterdir()] == ["warehouse.duckdb"]


def test_engagement_query_returns_the_data_interval_only(warehouse: duckdb.DuckDBPyConnection) -> None:
    result = run_query(warehouse, "daily_engagement.sql")
    assert result.columns == [
        "Hashed_Email",
        "Campaign_Name",
        "Subject_Line",
        "Send_ID",
        "Sent_Timestamp",
        "Bounced_Timestamp",
        "Opened_Timestamp",
        "Clicked_Timestamp",
        "Unsubscribed_Timestamp",
    ]
    assert {str(kind) for kind in result.types[4:]} == {"BIGINT"}
    rows = result.fetchall()
    assert all(START.timestamp() <= row[4] < END.timestamp() for row in rows)
    expected = warehouse.execute(
        "SELECT count(*) FROM email_engagement JOIN customers USING (customer_id) "
        "WHERE sent_at >= ? AND sent_at < ? AND email IS NOT NULL AND email <> ''",
        [START, END],
    ).fetchall()[0][0]
    assert len(rows) == expected > 1000
    assert rows == run_query(warehouse, "daily_engagement.sql").fetchall()


def test_segment_query_returns_each_normalised_address_once(warehouse: duckdb.DuckDBPyConnection) -> None:
    result = run_query(warehouse, "weekly_segment.sql")
    assert result.columns[:2] == ["Hashed_Email", "birthdate"]
    hashes = [row[0] for row in result.fetchall()]
    addresses = warehouse.sql(
        "SELECT email FROM customers JOIN segments USING (customer_id) WHERE email <> ''"
    ).fetchall()
    expected = {hashlib.md5(re.sub(r"\+.*@", "@", email.lower()).encode()).hexdigest() for (email,) in addresses}
    assert hashes == sorted(expected)
    assert len(addresses) > len(expected)
