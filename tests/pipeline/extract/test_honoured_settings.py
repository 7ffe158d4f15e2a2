"""Every engine honours the settings that it declares: its text equals the text formatted through Arrow."""

from __future__ import annotations

import itertools
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Literal, NamedTuple, get_args, get_origin

import pytest
from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from support import postgres
from support.files.tabular import file_of_batch, settings, table

from persado.errors import ConfigurationError
from persado.pipeline.extract import dbapi, engines
from persado.pipeline.extract.engines import ENGINES, Engine, engine_of, extract, formatted_directly
from persado.pipeline.extract.text_writer import Text, TextWriter, any_value
from persado.pipeline.format.split import parts
from persado.pipeline.rows.row_spec import RowSpec, apply_row_spec
from persado.settings.models.effective import Settings
from persado.settings.models.file_settings import SettingsLayer

TEXTS = [
    *("", "a", " a", "a ", "#a", "a,b", "a;b", "a|b", "a\tb", "a\nb", 'a"b', '"', "a\\b", "\\", "\\N", "\\.", "NULL"),
    *("NaN", "-1.5", "true", "é", "🙂", "\xa0", "'"),
]

# Small values, in addition to the examples of the model.
MORE_SAMPLES: dict[str, list[Any]] = {"split": [{"rows": 50_000}, {"megabytes": 1}]}

# Settings that only make other settings valid and change no byte.
PERMISSIONS = {"allow_unescaped"}


class Source(NamedTuple):
    """A database and its expression for infinity."""

    connection: Any
    infinity: str


@pytest.fixture(scope="module")
def sources() -> Iterator[dict[str, Source]]:
    with ExitStack() as stack:
        pg = stack.enter_context(postgres.connect())
        lite = stack.enter_context(closing(sqlite3.connect(":memory:")))
        yield {"postgresql": Source(pg, "CAST('Infinity' AS float8)"), "sqlite": Source(lite, "9e999")}


SOURCES = ("postgresql", "sqlite")


def members(annotation: Any) -> Iterator[Any]:
    """Yield the values of booleans and literals in a type."""
    if annotation is bool:
        yield from (False, True)
    elif get_origin(annotation) is Literal:
        yield from get_args(annotation)
    else:
        for part in get_args(annotation):
            yield from members(part)


def samples(name: str, field: FieldInfo) -> list[Any]:
    """Return values of a setting other than its default."""
    default = field.get_default(call_default_factory=True, validated_data={})
    found = [*members(field.annotation), *(field.examples or ()), *MORE_SAMPLES.get(name, ())]
    found = [value for value in found if value != default]
    assert found, f"{name} has no sample values: add examples to its field"
    return found


def valid(given: dict[str, Any]) -> Settings | None:
    """Complete the settings so that they are valid; return None if they cannot be."""
    given = dict(given)
    if "delimiter" in given:
        given.setdefault("file_format", "custom")
    if given.get("file_format") == "custom":
        given.setdefault("delimiter", "|")
    if given.get("quote_mode") == "none" and not given.get("allow_unescaped"):
        given.setdefault("escape_character", "\\")
    try:
        return Settings.model_validate({"filename_template": "table.csv", **given})
    except ValidationError:
        return None


def combinations(name: str, model: type[Settings] = Settings) -> Iterator[Settings]:
    """Yield each value of a setting, alone and combined with each value of each later setting."""
    names = model.text_settings()
    others = names[names.index(name) + 1 :]
    for value in samples(name, model.model_fields[name]):
        alone = valid({name: value})
        assert alone, f"{name}: {value!r} is not valid alone: add what it needs to valid()"
        yield alone
        for other in others:
            for more in samples(other, model.model_fields[other]):
                if both := valid({name: value, other: more}):
                    yield both


def union(rows: list[tuple[str, ...]]) -> str:
    return " UNION ALL ".join(
        f"SELECT {number} AS o, CAST({text} AS text) AS \"a, 'b'\", CAST({real} AS double precision) AS r, 'x' AS z"
        for number, (text, real) in enumerate(rows)
    )


def queries(source: Source, wanted: Settings) -> Iterator[str]:
    """Yield queries for tables of unusual values; an engine may leave tables with some values to Arrow."""
    quoted = ["'" + text.replace("'", "''") + "'" for text in TEXTS]
    plain = union([*zip(quoted, itertools.cycle(["1.5", "-0.1", "NULL"]), strict=False), ("NULL", "1e300")])
    yield f"{plain} ORDER BY o"
    yield f"{union([(source.infinity, source.infinity), ('NULL', '1')])} ORDER BY o"
    yield union([("'a\rb'", "0"), ("'\r\n'", "NULL")]) + " ORDER BY o"
    yield f"SELECT \"a, 'b'\" AS a FROM ({plain}) AS t ORDER BY o"
    yield f"{plain} LIMIT 0"
    if set(changed(wanted)) == {"split"}:  # more rows, and bytes, than a part holds
        series = "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 2500) SELECT n FROM s"
        yield f"SELECT n, t.* FROM ({series}) AS s CROSS JOIN ({plain}) AS t ORDER BY n, o"


def changed(wanted: Settings) -> dict[str, Any]:
    """Return the text settings that differ from their defaults."""
    given = {name: getattr(wanted, name) for name in wanted.text_settings()}
    return {name: value for name, value in given.items() if value != type(wanted).model_fields[name].get_default()}


def by_part(text: Text) -> list[tuple[int, int, bytes]]:
    found: dict[int, tuple[int, bytes]] = {}
    headers, blocks = text
    for part, count, block in blocks:
        rows, before = found.get(part, (0, b""))
        found[part] = rows + count, before + block
    return [(0, 0, repr(headers).encode()), *((part, *rest) for part, rest in found.items())]


def directly(source: Source, sql: str, wanted: Settings) -> Any:
    """Return the parts that the engine writes itself, or its error, or None if it leaves them to Arrow."""
    try:
        with formatted_directly(source.connection, sql, RowSpec(), wanted) as text:
            return text and by_part((text.headers, text.blocks))
    except ConfigurationError as error:
        return str(error)
    finally:
        source.connection.rollback()


def through_arrow(source: Source, sql: str, wanted: Settings) -> Any:
    try:
        with extract(source.connection, sql, nan_text=wanted.nan_text) as rows:
            headers, batches = apply_row_spec(rows, RowSpec())
            return by_part((headers, parts(batches, headers, wanted)))
    except ConfigurationError as error:
        return str(error)
    finally:
        source.connection.rollback()


def check(source: Source, name: str) -> tuple[list[dict[str, Any]], int]:
    """
    Compare the text that an engine writes itself with the text formatted through Arrow.

    :return: the settings for which they differ, and the number of tables that the engine has written itself
    """
    differing, compared = [], 0
    for wanted in combinations(name):
        for sql in queries(source, wanted):
            found = directly(source, sql, wanted)
            if found is None:
                continue
            compared += 1
            if found != through_arrow(source, sql, wanted):
                differing.append(changed(wanted))
    return differing, compared


def test_every_engine_that_writes_text_is_tested(sources: dict[str, Source]) -> None:
    tested = [engine_of(source.connection) for source in sources.values()]
    assert set(sources) == set(SOURCES)
    assert [engine for engine in ENGINES if engine.text and engine not in tested] == []
    for engine in tested:
        assert engine.text
        assert set(engine.text.honoured) <= set(Settings.text_settings())


@pytest.mark.parametrize("name", Settings.text_settings())
@pytest.mark.parametrize("database", SOURCES)
def test_engine_honours_exactly_the_settings_it_declares(database: str, name: str, sources: dict[str, Source]) -> None:
    source = sources[database]
    writer = engine_of(source.connection).text
    differing, compared = check(source, name)
    assert differing == []
    assert writer
    assert (compared > 0) == (name in writer.honoured)


def engine_that_ignores(name: str) -> Engine:
    """Return an engine that declares all settings but ignores one of them."""
    instead = "," if name == "delimiter" else Settings.model_fields[name].get_default()

    @contextmanager
    def write(connection: Any, sql: str, row_spec: RowSpec, wanted: Settings) -> Iterator[Text]:
        with dbapi.read(connection, sql, wanted.nan_text) as (headers, batches):
            yield headers, parts(batches, headers, wanted.model_copy(update={name: instead}))

    honoured = dict.fromkeys(Settings.text_settings(), any_value)
    text = TextWriter(write=write, read_by="made up", honoured=honoured)
    return Engine(recognises=lambda _: True, read=dbapi.read, read_by="made up", text=text)


@pytest.mark.parametrize("name", sorted(set(Settings.text_settings()) - PERMISSIONS))
def test_check_detects_an_engine_that_ignores_a_setting(
    name: str, sources: dict[str, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "ENGINES", (engine_that_ignores(name),))
    differing, _ = check(sources["sqlite"], name)
    assert differing


def test_setting_without_sample_values_fails() -> None:
    class Later(Settings):
        decimal_places: int | None = None

    with pytest.raises(AssertionError, match="decimal_places has no sample values"):
        list(combinations("decimal_places", Later))


@pytest.mark.parametrize("database", SOURCES)
def test_unknown_setting_goes_through_arrow(database: str, sources: dict[str, Source]) -> None:
    class Later(Settings):
        upper_case: bool = Field(default=False, examples=[True])

    given = {"filename_template": "table.csv"}
    assert "upper_case" in Later.text_settings()
    assert directly(sources[database], "SELECT 1 AS a, 2 AS b", Later.model_validate(given))
    wanted = Later.model_validate({**given, "upper_case": True})
    assert directly(sources[database], "SELECT 1 AS a, 2 AS b", wanted) is None


@pytest.mark.parametrize(
    ("name", "value"), [("line_ending", "CR"), ("quote_mode", "minimal"), ("file_format", "semicolon")]
)
@pytest.mark.parametrize("database", SOURCES)
def test_unknown_value_of_a_setting_goes_through_arrow(
    database: str, name: str, value: str, sources: dict[str, Source]
) -> None:
    wanted = settings().model_copy(update={name: value})
    assert directly(sources[database], "SELECT 1 AS a, 2 AS b", wanted) is None


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - set(Settings.text_settings())))
def test_after_format_setting_changes_no_byte(name: str) -> None:
    batch = table([1, None], ['a, "b"', ""])
    for value in samples(name, SettingsLayer.model_fields[name]):
        given = settings().model_copy(update={name: value})
        text = b"".join(block for _, _, block in parts([batch], batch.schema.names, given))
        assert text == file_of_batch(batch)


WITHOUT_PSYCOPG = """
import sqlite3, sys
sys.modules["psycopg"] = None
from persado.pipeline.extract.engines import extract
with extract(sqlite3.connect(":memory:"), "SELECT 1 AS a") as rows:
    print(rows.path, [batch.num_rows for batch in rows.batches])
"""


def test_psycopg_is_optional() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_PSYCOPG], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("dbapi [1]\n", "")
