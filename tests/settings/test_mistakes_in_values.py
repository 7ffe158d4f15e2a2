"""Invalid values of the right type: each is reported in one line, with advice."""

from pathlib import Path

import pytest
from support.settings.mistakes import (
    TEMPLATE,
    assert_reported,
    in_contract,
    in_destination,
    in_orchestration,
    in_template,
    write_tree,
)

from persado.settings import load

MISTAKES = {
    "lower case": in_orchestration(
        "LF", "lf", 8, "settings.line_ending: expected LF or CRLF, got 'lf'. Did you mean 'LF'?"
    ),
    "other word": in_destination("special_characters", "minimal", 6, "all_non_null, special_characters", "'minimal'"),
    "misspelt word": in_destination("gzip", "gz", 8, "none, gzip, zip, tar or tgz, got 'gz'", "Did you mean"),
    "format by extension": in_destination("file_format: csv", "file_format: .csv", 5, "csv, tsv, psv or custom"),
    "relative folder": in_destination("remote_folder: /", "remote_folder: inbox", 4, "begins with '/'"),
    "bare space": in_destination("remote_folder: /", "remote_folder: /From ACME", 4, r"Write it as '\ '"),
    "space unescaped by YAML": in_destination("remote_folder: /", r'remote_folder: "/From\ ACME"', 4, "double quotes"),
    "stray backslash": in_destination("remote_folder: /", r"remote_folder: /a\b", 4, "escapes nothing"),
    "folder above": in_destination("remote_folder: /", "remote_folder: /a/../b", 4, "'..'", "full path"),
    "two delimiters": in_destination(
        "file_format: csv", 'file_format: custom\n  delimiter: "||"', 6, "expected one character", "got 2"
    ),
    "quote as delimiter": in_destination("csv", "custom\n  delimiter: '\"'", 6, "a character other than the double"),
    "line break as delimiter": in_destination(
        "csv", 'custom\n  delimiter: "\\n"', 6, "one character, got a line break"
    ),
    "bar without quotes": in_destination("csv", "custom\n  delimiter: |", 6, "expected one character", "got 0"),
    "long escape": in_destination("/\n", "/\n  escape_character: '\\\\'\n", 5, "expected one character", "got 2"),
    "line break for NULL": in_template('""', '"a\\nb"', 7, "null_text: contains a double quote, a line break or NUL"),
    "row number with a space": in_template('null_text: ""', "row_number: row number", 7, "letters, digits"),
    "row number too long": in_template('null_text: ""', f"row_number: {'a' * 1028}", 7, "at most 1027"),
    "level out of range": in_destination("gzip", "gzip\n  compression_level: 10", 9, "from 1 to 9 or null, got 10"),
    "level above isal's": in_destination(
        "gzip", "gzip\n  compressor: isal\n  compression_level: 6", 10, "levels 1 to 3, got 6", "compressor: zlib"
    ),
    "too few rows a part": in_template('null_text: ""', "split: {rows: 500}", 7, "split.rows", "50000 to 10000000"),
    "too many megabytes a part": in_template('null_text: ""', "split: {megabytes: 3000}", 7, "from 1 to 2000"),
    "two measures": in_template(
        'null_text: ""', "split: {rows: 50000, megabytes: 1}", 7, "settings.split", "exactly one"
    ),
    "no measure": in_template('null_text: ""', "split: {}", 7, "settings.split", "exactly one"),
    "number for a split": in_template('null_text: ""', "split: 500000", 7, "{rows, megabytes} or null, got 500000"),
    "short fingerprint": in_destination("gzip", "gzip\n  pgp_fingerprint: ABCD", 9, "40 hex digits"),
    "key in another folder": in_destination("persado.asc", "../persado.asc", 9, "without a folder"),
    "key file for signing": in_destination(
        "gzip", "gzip\n  pgp_signing_key: own.asc", 9, "{variable}, {connection} or null"
    ),
    "misspelt variable": in_destination("persado.asc", "{variabel: X}", 9, "'variabel'", "Did you mean 'variable'?"),
    "two places of a key": in_destination(
        "persado.asc", "{variable: X, connection: y}", 9, "{variable}, {connection} or null, got {variable, connection}"
    ),
    "URI for a connection": in_destination("persado_default", "sftp://me:secret@site", 2, "is not a connection id"),
    "blank pool": in_destination("persado_site", '" "', 11, "pool: is empty"),
    "template without colon": in_orchestration("format:'", "format'", 7, "settings.filename_template: ", "format:'"),
    "template with a wrong token": in_orchestration("{{now|", "{{today|", 7, "settings.filename_template", "today"),
    "template with a wrong letter": in_orchestration("yyyy-MM-dd", "yyyy-bb", 7, "settings.filename_template", '"b"'),
    "file number out of place": in_orchestration(
        "segment_{{", "{{file_number}}{{", 7, "filename_template", "file_number"
    ),
    "name that leaves the folder": in_orchestration("segment_{{", "../segment_{{", 7, "filename_template", '".."'),
    "query of another kind": in_orchestration("segment.sql", "segment.txt", 2, "ends in .sql"),
    "query above its folder": in_orchestration("segment.sql", "../segment.sql", 2, "a file in queries/"),
    "column twice": in_template("birth_dt", "Hashed_Email", 5, "columns[1]: 'Hashed_Email' is in the list twice"),
    "column copied and constant": in_template(
        "birthdate, pii: true", "birthdate, value: 1", 5, "columns[1]: has both 'from' and 'value'"
    ),
    "tab in a header": in_template(
        "name: birth_dt", 'name: "a\\tb"', 5, "columns[1].name: contains a control character"
    ),
    "no columns": in_template(
        "\n  - {name: Hashed_Email}\n  - {name: birth_dt, from: birthdate, pii: true}", " []", 3, "got an empty list"
    ),
    "function by dots": in_template("contract: loyal", "transform: mine.shorten", 9, "expected module:function"),
    "four fields": in_orchestration("30 8 * * 1", "30 8 * *", 5, "workflow.schedule", "5 fields", "got 4"),
    "cron preset": in_orchestration("30 8 * * 1", "@daily", 5, "workflow.schedule", "5 fields", "got 1"),
    "minute 61": in_orchestration("30 8 * * 1", "61 8 * * 1", 5, "workflow.schedule: is not a cron expression", "0-59"),
    "random minute": in_orchestration("30 8 * * 1", "R 8 * * 1", 5, "not a fixed time"),
    "31 February": in_orchestration("30 8 * * 1", "0 0 31 2 *", 5, "never occurs"),
    "zone with a typing mistake": in_orchestration("New_York", "NewYork", 5, "Did you mean 'America/New_York'?"),
    "misspelt manual": in_orchestration(
        '{schedule: "30 8 * * 1", timezone: America/New_York}',
        "manually",
        5,
        "workflow: expected manual, {schedule, timezone, only_if_changed} or {when_changed}",
        "Did you mean 'manual'?",
    ),
    "cron without its key": in_orchestration(
        '{schedule: "30 8 * * 1", timezone: America/New_York}',
        '"30 8 * * 1"',
        5,
        "workflow: expected manual, {schedule",
    ),
    "misspelt schedule": in_orchestration(
        "{schedule:", "{shedule:", 5, "unknown key 'shedule'. Did you mean 'schedule'?"
    ),
    "zone without schedule": in_orchestration('schedule: "30 8 * * 1", ', "", 5, "workflow: missing key 'schedule'"),
    "misspelt when_changed": in_orchestration(
        '{schedule: "30 8 * * 1", timezone: America/New_York}', "{when_change: [a]}", 5, "Did you mean 'when_changed'?"
    ),
    "schedule and when_changed": in_orchestration(
        "timezone: America/New_York", "when_changed: [a]", 5, "or {when_changed}, got {schedule, when_changed}"
    ),
    "one asset without a list": in_orchestration(
        "timezone: America/New_York", "only_if_changed: customers", 5, "workflow.only_if_changed", "expected a list"
    ),
    "no asset": in_orchestration(
        '{schedule: "30 8 * * 1", timezone: America/New_York}', "{when_changed: []}", 5, "at least one", "empty list"
    ),
    "asset with a space": in_orchestration(
        "timezone: America/New_York", "only_if_changed: [my customers]", 5, "only_if_changed[0]: is not an asset name"
    ),
    "guards crossed": in_orchestration(
        "fail_below: 1", "fail_below: 9, fail_above: 5", 10, "fail_below 9", "Swap them"
    ),
    "percent below one": in_orchestration("on_empty: fail", "change: {fail_above_percent: 0}", 11, "at least 1, got 0"),
    "tag twice": in_orchestration("on_empty: fail", "tags: [a, a]", 11, "tags[1]: 'a' is in the list twice"),
    "long tag": in_orchestration("on_empty: fail", f"tags: [{'a' * 101}]", 11, "tags[0]", "at most 100"),
    "parameter without a schema": in_orchestration(
        '{type: string, default: "2026-01-01"}', "2026", 13, "params.since: expected a mapping, got 2026"
    ),
    "unknown type of a parameter": in_orchestration(
        "type: string", "type: txt", 13, "params.since.type", "JSON Schema"
    ),
    "default of another type": in_orchestration('"2026-01-01"}', "5}", 13, "params.since.default", "does not fit"),
    "parameter without default": in_orchestration(
        ', default: "2026-01-01"', "", 13, "params.since: has no default", "Add a default"
    ),
    "schema elsewhere": in_orchestration(
        "type: string", '"$ref": "https://example.com/a.json"', 13, "params.since.$ref", "Move it there"
    ),
    "misspelt keyword": in_orchestration(
        "type: string", "tipe: string", 13, "params.since.tipe", "Did you mean 'type'?"
    ),
    "a schema's schema": in_orchestration(
        "type: string", "schema: {}", 13, "params.since.schema", "Airflow does not accept"
    ),
    "parameter's name": in_orchestration("  since:", "  since when:", 13, "letters, digits and _", "Rename"),
    "reserved parameter": in_orchestration("  since:", "  dry_run:", 13, "params.dry_run", "every orchestration"),
    "unknown type in a contract": in_contract("md5_hex", "md5", 3, "columns[0].type", "Did you mean 'md5_hex'?"),
    "column twice in a contract": in_contract("points", "Hashed_Email", 4, "columns[1]", "twice"),
    "contract without columns": in_contract(None, "description: none\n", 1, "missing key 'columns'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_reported_in_one_line_with_place_and_advice(tmp_path: Path, name: str) -> None:
    assert_reported(MISTAKES[name], tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "pgp_signing_key: sesame",
        "pgp_signing_key: {variable: [sesame]}",
        "pgp_public_key: sesame/sesame",
        "pgp_public_key: '-----BEGIN PGP PRIVATE KEY BLOCK----- sesame'",
        "pgp_fingerprint: sesame",
        "split: sesame",
        "remote_folder: sftp://me:sesame@site/",
    ],
)
def test_errors_do_not_show_possible_secrets(tmp_path: Path, line: str) -> None:
    (error, *_) = load(write_tree(tmp_path, {TEMPLATE: f"destination: persado\nsettings:\n  {line}\n"})).errors

    assert "sesame" not in str(error)
