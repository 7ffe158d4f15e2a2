"""
The sample warehouse: customers, e-mail engagement and segments in a DuckDB file.

Every value depends on seed and day only. The values are as untidy as real ones: leading zeros, commas, quotes, line
breaks, emoji, names in several scripts, NULLs beside empty strings, several spellings of one e-mail address.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

CUSTOMERS = 24_000
DAYS = 10
SENDS_A_DAY = 15_000
SEED = 2024

GIVEN_NAMES = [
    "Ann", "Bob", "Chloé", "Dmitri", "Ewa", "Françoise", "Güneş", "Hồng", "Íris", "Jürgen", "Katarzyna", "Łukasz",
    "Mary Ann", "Nuño", "O'Neil", "Peter, Jr.", 'William "Bill"', "Zoë", "李娜", "美咲", "민준", "Ольга", "Γιώργος",
    "محمد", "שרה", "अनिका", "สมชาย",
]  # fmt: skip
SURNAMES = [
    "Smith", "Jones", "Müller", "Nguyễn", "D'Angelo", "O'Brien", "Smith-Jones", "van der Berg", "García, Márquez",
    "Ångström", "Öztürk", "Šimić", "王", "佐藤", "김", "Иванова", "Παπαδόπουλος", "الحسن", "כהן", "शर्मा",
    "de la Cruz\tSantos", "Null", "N/A", "",
]  # fmt: skip
CITIES = ["Portland", "St. John's", "Winston-Salem, NC", "Québec", "São Paulo", "København", "東京", "Reykjavík", ""]
STATES = ["CA", "NY", "TX", "WA", "ME", "PR", "QC", "ON", "NSW", ""]
GENDERS = ["F", "M", "X", "U", ""]
DOMAINS = ["example.com", "Example.COM", "mail.example.org", "EXAMPLE.net", "sub.domain.example.co.uk"]
TAGS = ["", "+news", "+Spring.Sale", "+shop+list"]
SOURCES = ["web", "store #0042", "call centre, EU", 'the "Refer a friend" form', "app\n(iOS)", ""]
CAMPAIGNS = ["Spring, early birds", 'The "Big" One', "Crafts\r\n& more", "Été 🌞", "0001", "null", ""]
SEGMENTS = [
    "Loyal, high value",
    'Lapsed "90 days"',
    "New\nthis month",
    "Bastler & Künstler",
    "編み物",
    "🎁 gift givers",
    "0042",
]
TAG_WORDS = ["a,b,c", 'size 12"', "back\\slash", "two\nlines", "семь", "🧵🪡", " leading blank", "", "tab\there"]


def make_warehouse(path: Path, *, today: date, customers: int = CUSTOMERS, seed: int = SEED) -> bool:
    """
    Create the warehouse, unless there is one of this day.

    :param path: the DuckDB file
    :param today: the last of the ten days with engagement
    :param customers: how many customers to create
    :return: whether it was created
    """
    made_of = f"{seed} {customers} {today.isoformat()}"
    if read_made_of(path) == made_of:
        return False
    unfinished = path.with_name(path.name + ".part")
    unfinished.unlink(missing_ok=True)
    with duckdb.connect(str(unfinished)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        make_customers(connection, customers, seed)
        make_segments(connection, seed)
        make_engagement(connection, customers, today, seed)
        connection.execute("CREATE TABLE made_of AS SELECT ? AS value", [made_of])
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
    unfinished.replace(path)
    return True


def read_made_of(path: Path) -> str | None:
    """Return seed, customers and day of an existing warehouse; None if there is none, or it cannot be read."""
    if not path.is_file():
        return None
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            row = connection.execute("SELECT value FROM made_of").fetchone()
    except duckdb.Error:
        return None
    return str(row[0]) if row else None


def make_customers(connection: duckdb.DuckDBPyConnection, customers: int, seed: int) -> None:
    """Create the customers; every tenth has the address of an earlier one in another spelling."""
    connection.execute(
        f"""
        CREATE TABLE customers AS
        WITH address AS (
            SELECT
                range AS id,
                CASE WHEN range >= 1000 AND {draw("range", "twin", 10)} = 0 THEN range - 1000 ELSE range END AS mailbox
            FROM range({customers})
        )
        SELECT
            id AS customer_id,
            printf('%010d', {draw("id", "loyalty", 99_999_999)}) AS loyalty_id,
            CASE {draw("id", "no address", 50)}
                WHEN 0 THEN NULL
                WHEN 1 THEN ''
                ELSE {one_of("id", "case", ["Customer", "customer", "CUSTOMER"])} || '.' || mailbox
                    || {one_of("id", "tag", TAGS)} || '@' || {one_of("mailbox", "domain", DOMAINS)}
            END AS email,
            {maybe("id", one_of("id", "given name", GIVEN_NAMES))} AS given_name,
            {maybe("id", one_of("id", "surname", SURNAMES))} AS surname,
            {maybe("id", f"DATE '1930-01-01' + CAST({draw('id', 'birth', 28_000)} AS INTEGER)")} AS birth_date,
            {maybe("id", one_of("id", "gender", GENDERS))} AS gender,
            {maybe("id", one_of("id", "city", CITIES))} AS city,
            {maybe("id", one_of("id", "state", STATES))} AS state,
            {maybe("id", f"printf('%05d', {draw('id', 'postal code', 99_999)})")} AS postal_code,
            {maybe("id", f"DATE '2005-01-01' + CAST({draw('id', 'anniversary', 7000)} AS INTEGER)", 3)} AS anniversary,
            {maybe("id", f"DATE '1975-06-01' + CAST({draw('id', 'wedding', 17_000)} AS INTEGER)", 2)} AS wedding_date,
            {maybe("id", f"CAST({draw('id', 'children', 6)} AS INTEGER)", 4)} AS children,
            {maybe("id", one_of("id", "source", SOURCES))} AS registration_source,
            {maybe("id", f"{draw('id', 'complete', 3)} > 0")} AS profile_complete,
            {maybe("id", f"CAST({draw('id', 'distance', 400_000)} / 1000 AS DECIMAL(9, 3))")} AS store_distance
        FROM address
        """,
        {"seed": seed},
    )


def make_segments(connection: duckdb.DuckDBPyConnection, seed: int) -> None:
    """Put two out of three customers into a segment."""
    connection.execute(
        f"""
        CREATE TABLE segments AS
        SELECT
            customer_id,
            {one_of("customer_id", "segment", SEGMENTS)} AS segment_name,
            {maybe("customer_id", one_of("customer_id", "segment tag", TAG_WORDS))} AS segmentation_tag
        FROM customers
        WHERE {draw("customer_id", "in a segment", 3)} > 0
        """,
        {"seed": seed},
    )


def make_engagement(connection: duckdb.DuckDBPyConnection, customers: int, today: date, seed: int) -> None:
    """Create the events of each e-mail, for the days up to and including the given one."""
    connection.execute(
        f"""
        CREATE TABLE email_engagement AS
        WITH sent AS (
            SELECT
                range AS id,
                TIMESTAMPTZ '{today.isoformat()} 00:00:00+00' - INTERVAL 1 DAY * (range // {SENDS_A_DAY})
                    + INTERVAL 1 SECOND * {draw("range", "second", 86_400)} AS sent_at,
                {draw("range", "bounced", 40)} = 0 AS bounced,
                {draw("range", "opened", 3)} = 0 AS opened,
                {draw("range", "clicked", 4)} = 0 AS clicked,
                {draw("range", "unsubscribed", 60)} = 0 AS unsubscribed
            FROM range({DAYS * SENDS_A_DAY})
        )
        SELECT
            printf('%08d', 700_000 + id // 5000) AS send_id,
            {draw("id", "customer", customers)} AS customer_id,
            {maybe("id", one_of("id // 2500", "campaign", CAMPAIGNS))} AS campaign_name,
            printf('PRSD-%06d', id // 2500) AS subject_line,
            sent_at,
            CASE WHEN bounced THEN sent_at + {seconds("bounce delay", 30)} END AS bounced_at,
            CASE WHEN NOT bounced AND opened THEN sent_at + {seconds("open delay", 7200)} END AS opened_at,
            CASE WHEN NOT bounced AND opened AND clicked
                THEN sent_at + {seconds("open delay", 7200)} + {seconds("click delay", 600)} END AS clicked_at,
            CASE WHEN NOT bounced AND opened AND unsubscribed
                THEN sent_at + {seconds("open delay", 7200)} + {seconds("leave delay", 900)} END AS unsubscribed_at
        FROM sent
        """,
        {"seed": seed},
    )


def draw(of: str, salt: str, below: int) -> str:
    """Return SQL for an integer from 0 up to, but not including, a bound; it depends on row, salt and seed only."""
    return f"CAST(hash({of}, {text(salt)}, $seed) % {below} AS BIGINT)"


def one_of(of: str, salt: str, values: list[str]) -> str:
    """Return SQL that picks one of some texts."""
    return f"([{', '.join(text(value) for value in values)}])[1 + {draw(of, salt, len(values))}]"


def maybe(of: str, value: str, one_in: int = 12) -> str:
    """Return SQL for a value that is NULL in one row out of `one_in`."""
    return f"CASE WHEN {draw(of, value[:40], one_in)} > 0 THEN {value} END"


def seconds(salt: str, below: int) -> str:
    """Return SQL for an interval of at least a second."""
    return f"INTERVAL 1 SECOND * (1 + {draw('id', salt, below)})"


def text(value: str) -> str:
    """Quote a text for SQL."""
    return "'" + value.replace("'", "''") + "'"
