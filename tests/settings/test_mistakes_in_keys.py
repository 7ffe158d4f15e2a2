"""Unknown keys, missing keys and values of the wrong type: each is reported in one line, with advice."""

from pathlib import Path

import pytest
from support.settings.mistakes import assert_reported, in_destination, in_orchestration, in_template

MISTAKES = {
    # keys
    "misspelt key": in_orchestration("query:", "quary:", 2, "unknown key 'quary'. Did you mean 'query'? Known keys: "),
    "unlike any key": in_orchestration("on_empty: fail", "zzz: 1", 11, "unknown key 'zzz'. Known keys: description, "),
    "capital letter": in_orchestration("execution:", "Execution:", 9, "Did you mean 'execution'?"),
    "misspelt setting": in_destination("  header:", "  hedder:", 7, "settings: unknown key 'hedder'", "'header'"),
    "setting at the top": in_destination(
        "pool: persado_site", "line_ending: LF", 11, "'line_ending' is a setting. Move it under 'settings:'."
    ),
    "key among settings": in_template('null_text: ""', "contract: loyal", 7, "'contract' is not a setting."),
    "key of another file": in_orchestration("on_empty: fail", "destination: persado", 11, "but of a data template."),
    "another word for a key": in_orchestration(
        "{schedule:", "{cron:", 5, "workflow: unknown key 'cron'. Did you mean 'schedule'?"
    ),
    "setting above one's level, like one's own": in_orchestration(
        "  line_ending: LF", "  encoding: zip", 8, "settings: 'encoding' is set by the destination or the data template"
    ),
    "very long key": in_orchestration("on_empty", "o" * 900, 11, f"unknown key '{'o' * 60}…'."),
    "misspelt access": in_destination("business_users", "busines_users", 10, "access: unknown key", "'business_users'"),
    "name in Python": in_template("from: birthdate", "from_: birthdate", 5, "unknown key 'from_'", "'from'"),
    "misspelt in a column": in_template(
        "birthdate, pii: true", "birthdate, PII: true", 5, "columns[1]: unknown key 'PII'", "'pii'"
    ),
    "setting above one's level": in_orchestration(
        "  line_ending: LF", "  header: false", 8, "settings: 'header' is set by the destination or the data template"
    ),
    "no connection": in_destination(
        "connection: persado_default\n", "", 1, "missing key 'connection'. Add it, as in 'connection: persado_default'."
    ),
    "no destination": in_template(
        "destination: persado\n", "", 1, "missing key 'destination'. Add it, as in 'destination: persado'."
    ),
    "no query": in_orchestration(
        "query: segment.sql\n", "", 1, "missing key 'query'. Add it, as in 'query: segment.sql'."
    ),
    "no source": in_orchestration("source: warehouse_default\n", "", 1, "missing key 'source'"),
    "no data template": in_orchestration("data_template: segment\n", "", 1, "missing key 'data_template'"),
    "column without a name": in_template("name: birth_dt, ", "", 5, "columns[1]: missing key 'name'"),
    # types
    "text for a switch": in_destination("header: true", 'header: "yes"', 7, "true or false", "Write true without"),
    "number for a switch": in_destination("header: true", "header: 1", 7, "settings.header", "true or false, got 1."),
    "null for a switch": in_destination("header: true", "header:", 7, "got null", "Leave the key out"),
    "number for a text": in_destination("/\n", "/\n  null_text: 0\n", 5, "a text, got 0", "Put it in quotes"),
    "switch for a text": in_template('null_text: ""', "null_text: no", 7, "a text, got false", "Put it in quotes"),
    "null for a text": in_template('null_text: ""', "null_text: NULL", 7, "a text, got null", "in quotes"),
    "text for a number": in_orchestration("fail_below: 1", 'fail_below: "1"', 10, "rows.fail_below", "without quotes"),
    "thousands": in_orchestration("fail_below: 1", 'fail_below: "1,000"', 10, "got '1,000'. Write digits only."),
    "fraction for a number": in_orchestration("fail_below: 1", "fail_below: 1.5", 10, "whole number", "got 1.5"),
    "negative number": in_orchestration("fail_below: 1", "fail_below: -1", 10, "of at least 0", "got -1"),
    "text for keys": in_destination("{business_users: true, limited_pii: false}", "all", 10, "{business_users, limit"),
    "null for keys": in_orchestration("rows: {fail_below: 1}", "rows:", 10, "got null", "Leave the key out"),
    "list for a text": in_orchestration("query: segment.sql", "query: [segment.sql]", 2, "expected a text, got a list"),
    "keys for a list": in_template(
        "  - {name: Hashed_Email}\n  - {name: birth_dt, from: birthdate, pii: true}",
        "  {name: Hashed_Email}",
        3,
        "columns: expected a list",
        "got {name}",
    ),
    "text for a column": in_template(
        "{name: Hashed_Email}", "Hashed_Email", 4, "columns[0]", "{name, from, value, pii}"
    ),
    "date for a constant": in_template("from: birthdate", "value: 2026-01-01", 5, "the date 2026-01-01", "in quotes"),
    "text for a date": in_orchestration("start_date: 2026-01-01", "start_date: soon", 14, "a date such as 2026-12-31"),
    "quoted date": in_orchestration("start_date: 2026-01-01", 'start_date: "2026-01-01"', 14, "without quotes"),
    "date in a parameter": in_orchestration('"2026-01-01"}', "2026-01-01}", 13, "params.since.default", "in quotes"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_reported_in_one_line_with_place_and_advice(tmp_path: Path, name: str) -> None:
    assert_reported(MISTAKES[name], tmp_path)
