"""A corpus of mistakes: each gives one line with file, line, what is wrong and how to mend it, and hides nothing."""

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from persado.settings import load

# A small folder of configuration that is right, in which the tests make one thing wrong.
FILES = {
    "destinations/persado.yaml": """\
description: Sends query results to Persado
connection: persado_default
settings:
  remote_folder: /
  file_format: csv
  quote_mode: special_characters
  header: true
  encoding: gzip
  pgp_public_key: persado.asc
access: {business_users: true, limited_pii: false}
pool: persado_site
""",
    "data_templates/segment.yaml": """\
destination: persado
description: Weekly segment
columns:
  - {name: Hashed_Email}
  - {name: birth_dt, from: birthdate, pii: true}
settings:
  null_text: ""
access: {business_users: true, limited_pii: true}
contract: loyal
""",
    "contracts/loyal.yaml": """\
description: Loyal customers
columns:
  - {name: Hashed_Email, type: md5_hex, nullable: false}
  - {name: points, type: integer, required: false}
""",
    "orchestrations/weekly_segment.yaml": """\
description: The whole segment
query: segment.sql
source: warehouse_default
data_template: segment
workflow: {schedule: "30 8 * * 1", timezone: America/New_York}
settings:
  filename_template: "segment_{{now|format:'yyyy-MM-dd'}}.csv.gz"
  line_ending: LF
execution: chained
rows: {fail_below: 1}
on_empty: fail
params:
  since: {type: string, default: "2026-01-01"}
start_date: 2026-01-01
""",
    # A neighbour that shares nothing with the rest: no mistake elsewhere may hide it.
    "destinations/elsewhere.yaml": "connection: elsewhere\n",
    "data_templates/plain.yaml": "destination: elsewhere\n",
    "orchestrations/neighbour.yaml": """\
query: plain.sql
source: warehouse_default
data_template: plain
settings: {filename_template: plain.csv}
""",
    "queries/segment.sql": "SELECT 1\n",
    "queries/plain.sql": "SELECT 2\n",
    "keys/persado.asc": "a public key\n",
}

DESTINATION = "destinations/persado.yaml"
TEMPLATE = "data_templates/segment.yaml"
CONTRACT = "contracts/loyal.yaml"
ORCHESTRATION = "orchestrations/weekly_segment.yaml"


@dataclass(frozen=True)
class Mistake:
    """
    One mistake.

    :param file: the file that has it
    :param old: what stands there when it is right; None: the whole file
    :param new: what stands there instead
    :param line: the line that the error gives
    :param says: what the error says, beside the place
    """

    file: str
    old: str | None
    new: str
    line: int
    says: tuple[str, ...]


def in_destination(old: str | None, new: str, line: int, *says: str) -> Mistake:
    return Mistake(DESTINATION, old, new, line, says)


def in_template(old: str | None, new: str, line: int, *says: str) -> Mistake:
    return Mistake(TEMPLATE, old, new, line, says)


def in_contract(old: str | None, new: str, line: int, *says: str) -> Mistake:
    return Mistake(CONTRACT, old, new, line, says)


def in_orchestration(old: str | None, new: str, line: int, *says: str) -> Mistake:
    return Mistake(ORCHESTRATION, old, new, line, says)


MISTAKES = {
    # YAML itself
    "empty file": in_orchestration(None, "", 1, "is empty", "Write its keys"),
    "comments only": in_orchestration(None, "# later\n", 1, "is empty"),
    "a list": in_orchestration(None, "- query: x.sql\n", 1, "expected keys with values", "got a list"),
    "a word": in_orchestration(None, "later\n", 1, "expected keys with values", "got a single value"),
    "two documents": in_orchestration("execution:", "---\nexecution:", 9, "second YAML document", "one file for each"),
    "tab": in_orchestration("  line_ending", "\tline_ending", 8, "no valid YAML", "spaces, not with tabs"),
    "wrong indentation": in_orchestration("  line_ending", " line_ending", 8, "no valid YAML", "indentation"),
    "indented too far": in_orchestration("source:", "  source:", 3, "no valid YAML", "in quotes"),
    "no colon": in_orchestration("execution: chained", "execution chained", 9, "no valid YAML", "':' after the key"),
    "colon in a text": in_orchestration("The whole", "Now: the whole", 1, "no valid YAML", "in quotes"),
    "open quote": in_orchestration("on_empty: fail", "on_empty: 'fail", 11, "no valid YAML", "not closed"),
    "open bracket": in_template("birthdate, pii: true}", "birthdate, pii: true", 5, "no valid YAML", "not closed"),
    "braces without quotes": in_orchestration(
        "\"segment_{{now|format:'yyyy-MM-dd'}}.csv.gz\"", "{{now}}.csv", 7, "begins with '{' in quotes"
    ),
    "braces only": in_orchestration("\"segment_{{now|format:'yyyy-MM-dd'}}.csv.gz\"", "{{now}}", 7, "in quotes"),
    "at sign": in_orchestration("query: segment.sql", "query: @segment.sql", 2, "no valid YAML", "in quotes"),
    "unknown escape": in_destination("remote_folder: /", r'remote_folder: "/a\q"', 4, "no valid YAML", "single quotes"),
    "lone backslash in double quotes": in_destination(
        "pool: persado_site", r'pool: "\"', 11, "no valid YAML", "not closed"
    ),
    "key twice": in_destination("  header: true", "  encoding: zip", 8, "'encoding'", "twice", "line 7", "Remove one"),
    "key is no text": in_destination("pool:", "on:", 11, "'on' is no text", "in quotes"),
    "key is a list": in_destination("pool:", "[a]:", 11, "expected a text as key"),
    "merge key": in_template(
        "  null_text:", "  <<: {header: true}\n  null_text:", 7, "merge key", "Write the values out"
    ),
    "alias": in_template('null_text: ""', "null_text: *nothing", 7, "the alias '*nothing' is not supported"),
    "alias that exists": in_template(
        "destination: persado\ndescription: Weekly segment",
        "destination: &p persado\ndescription: *p",
        2,
        "alias '*p' is not supported",
        "Write the value out",
    ),
    "alias of itself": in_template("columns:", "tags: &t [*t]\ncolumns:", 3, "alias '*t'"),
    "python tag": in_orchestration(
        "query: segment.sql", "query: !!python/name:os.system x", 2, "'!!python/name:os.system'", "not supported"
    ),
    "own tag": in_orchestration("query: segment.sql", "query: !secret x", 2, "tag '!secret'", "Remove it"),
    "control character": in_orchestration("The whole", "The\x07whole", 1, "control character", "Remove it"),
    "nested too deep": in_orchestration("{type: string", "{a: " + "[" * 40 + "]" * 40, 13, "nested", "flatter"),
    "octal number": in_template(
        "birthdate, pii: true}", "birthdate}\n  - {name: zip, value: 007}", 6, "007", "in quotes"
    ),
    "clock time": in_template(
        "birthdate, pii: true}", "birthdate}\n  - {name: at, value: 6:30}", 6, "6:30", "in quotes"
    ),
    "infinity": in_orchestration('default: "2026-01-01"', "default: .inf", 13, ".inf", "in quotes"),
    "no such day": in_orchestration("start_date: 2026-01-01", "start_date: 2026-02-30", 14, "no day 2026-02-30"),
    "tab after a dash": in_template("- {name: Hashed_Email}", "-\t{name: Hashed_Email}", 4, "spaces, not with tabs"),
    "no-break space": in_orchestration("execution: chained", "execution:\u00a0chained", 9, "'\\xa0'", "like a space"),
    "byte-order mark inside": in_orchestration("query:", "\ufeffquery:", 2, "'\\ufeff'", "Remove it"),
    "line separator": in_orchestration("The whole", "The\u2028whole", 1, "'\\u2028'", "Remove it"),
    "star": in_orchestration("on_empty: fail", "on_empty: *", 11, "no valid YAML", "in quotes"),
    "bracket too many": in_orchestration("{fail_below: 1}", "{fail_below: 1}}", 10, "closed that was not opened"),
    "Windows path": in_orchestration("The whole", '"C:\\Users"', 1, "no valid YAML", "single quotes"),
    "Norway": in_template("from: birthdate", "value: NO", 5, "columns[1].value: YAML reads NO as false.", "in quotes"),
    "capital truth": in_template("from: birthdate", "value: TRUE", 5, "YAML reads TRUE as true. Write true"),
    "plus": in_template("from: birthdate", "value: +49", 5, "YAML reads +49 as 49. Write 49"),
    "Norway in a parameter": in_orchestration(
        'type: string, default: "2026-01-01"', "default: off", 13, "params.since.default: YAML reads off as false."
    ),
    # keys
    "misspelt key": in_orchestration("query:", "quary:", 2, "unknown key 'quary'. Did you mean 'query'? Known keys: "),
    "unlike any key": in_orchestration("on_empty: fail", "zzz: 1", 11, "unknown key 'zzz'. Known keys: description, "),
    "capital letter": in_orchestration("execution:", "Execution:", 9, "Did you mean 'execution'?"),
    "misspelt setting": in_destination("  header:", "  hedder:", 7, "settings: unknown key 'hedder'", "'header'"),
    "setting at the top": in_destination(
        "pool: persado_site", "line_ending: LF", 11, "'line_ending' is a setting. Move it under 'settings:'."
    ),
    "key among settings": in_template('null_text: ""', "contract: loyal", 7, "'contract' is no setting."),
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
    # single values
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
    "quote as delimiter": in_destination("csv", "custom\n  delimiter: '\"'", 6, "another character than the double"),
    "line break as delimiter": in_destination(
        "csv", 'custom\n  delimiter: "\\n"', 6, "one character, got a line break"
    ),
    "bar without quotes": in_destination("csv", "custom\n  delimiter: |", 6, "expected one character", "got 0"),
    "long escape": in_destination("/\n", "/\n  escape_character: '\\\\'\n", 5, "expected one character", "got 2"),
    "line break for NULL": in_template('""', '"a\\nb"', 7, "null_text: holds a double quote or a line break"),
    "row number with a space": in_template('null_text: ""', "row_number: row number", 7, "letters, digits"),
    "row number too long": in_template('null_text: ""', f"row_number: {'a' * 1028}", 7, "under 1028"),
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
    "URI for a connection": in_destination("persado_default", "sftp://me:secret@site", 2, "is no connection id"),
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
    "tab in a header": in_template("name: birth_dt", 'name: "a\\tb"', 5, "columns[1].name: holds a control character"),
    "no columns": in_template(
        "\n  - {name: Hashed_Email}\n  - {name: birth_dt, from: birthdate, pii: true}", " []", 3, "got an empty list"
    ),
    "function by dots": in_template("contract: loyal", "transform: mine.shorten", 9, "expected module:function"),
    "four fields": in_orchestration("30 8 * * 1", "30 8 * *", 5, "workflow.schedule", "5 fields", "got 4"),
    "cron preset": in_orchestration("30 8 * * 1", "@daily", 5, "workflow.schedule", "5 fields", "got 1"),
    "minute 61": in_orchestration("30 8 * * 1", "61 8 * * 1", 5, "workflow.schedule: is no cron expression", "0-59"),
    "random minute": in_orchestration("30 8 * * 1", "R 8 * * 1", 5, "no fixed time"),
    "31 February": in_orchestration("30 8 * * 1", "0 0 31 2 *", 5, "never comes"),
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
        "timezone: America/New_York", "only_if_changed: [my customers]", 5, "only_if_changed[0]: is no asset name"
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
        "type: string", '"$ref": "https://example.com/a.json"', 13, "params.since", "cannot be used"
    ),
    "misspelt keyword": in_orchestration(
        "type: string", "tipe: string", 13, "params.since.tipe", "Did you mean 'type'?"
    ),
    "a schema's schema": in_orchestration(
        "type: string", "schema: {}", 13, "params.since.schema", "Airflow cannot take"
    ),
    "parameter's name": in_orchestration("  since:", "  since when:", 13, "letters, digits and _", "Rename"),
    "reserved parameter": in_orchestration("  since:", "  dry_run:", 13, "params.dry_run", "every orchestration"),
    "unknown type in a contract": in_contract("md5_hex", "md5", 3, "columns[0].type", "Did you mean 'md5_hex'?"),
    "column twice in a contract": in_contract("points", "Hashed_Email", 4, "columns[1]", "twice"),
    "contract without columns": in_contract(None, "description: none\n", 1, "missing key 'columns'"),
    # what does not fit together
    "no such data template": in_orchestration(
        "data_template: segment", "data_template: segmnt", 4, "Did you mean 'segment'?"
    ),
    "no such destination": in_template("destination: persado", "destination: persdo", 1, "Did you mean 'persado'?"),
    "no such contract": in_template(
        "contract: loyal", "contract: royal", 9, "contracts/royal.yaml", "Did you mean 'loyal'?"
    ),
    "no such transform": in_template("contract: loyal", "transform: mine:f", 9, "there is no file mine.py"),
    "no such query": in_orchestration(
        "segment.sql", "segments.sql", 2, "queries/segments.sql", "Did you mean 'segment.sql'?"
    ),
    "no such key": in_destination("persado.asc", "persado.pgp", 9, "keys/persado.pgp", "Did you mean 'persado.asc'?"),
    "custom without delimiter": in_destination("csv", "custom", 5, "settings.file_format", "needs a delimiter"),
    "csv with a delimiter": in_destination("csv", 'csv\n  delimiter: ";"', 6, "settings.delimiter", "custom"),
    "escape is delimiter": in_destination("csv", "csv\n  escape_character: ','", 6, "is the delimiter too"),
    "unescaped": in_destination("special_characters", "none", 6, "settings.quote_mode", "allow_unescaped: true"),
    "quote escapes nothing": in_destination(
        "special_characters", "none\n  escape_character: '\"'", 7, "settings.escape_character", "no double quote"
    ),
    "NULL is a delimiter": in_template('""', '"a,b"', 7, "null_text holds the delimiter"),
    "signature without encryption": in_destination(
        "pgp_public_key: persado.asc", "pgp_signing_key: {variable: own}", 9, "would be signed", "pgp_signing_key: null"
    ),
    "fingerprint without key": in_destination(
        "pgp_public_key: persado.asc", f"pgp_fingerprint: {'AB' * 20}", 9, "nothing would be encrypted"
    ),
    "parts with one name": in_template(
        'null_text: ""', "split: {megabytes: 5}\n  split_filename_template: part.csv", 8, "{{file_number}}"
    ),
    "no filename": in_orchestration(
        "  filename_template: \"segment_{{now|format:'yyyy-MM-dd'}}.csv.gz\"\n",
        "",
        1,
        "filename_template is set neither",
    ),
    "campaign without a name": in_orchestration(
        "segment_{{", "{{campaign_name}}{{", 7, "has no campaign_name", "Add it"
    ),
    "row number is a column": in_template('null_text: ""', "row_number: birth_dt", 7, "row_number", "also a column"),
    "only if its own deliveries changed": in_orchestration(
        "timezone: America/New_York",
        "only_if_changed: [customers, persado://persado/weekly_segment]",
        5,
        "workflow.only_if_changed[1]: waits for the orchestration's own deliveries",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gives_one_line_that_says_where_and_what(tmp_path: Path, name: str) -> None:
    mistake = MISTAKES[name]
    right = FILES[mistake.file]
    assert mistake.old is None or right.count(mistake.old) == 1
    wrong = mistake.new if mistake.old is None else right.replace(mistake.old, mistake.new)

    configuration = load(write_tree(tmp_path, {mistake.file: wrong}))

    (error,) = configuration.errors
    assert re.fullmatch(rf"{mistake.file}:{mistake.line}: .+[.?)]", str(error))
    for text in mistake.says:
        assert text in str(error)
    assert str(error).endswith(" (It stops weekly_segment.)") == (mistake.file != ORCHESTRATION)
    assert list(configuration.deliveries) == ["neighbour"]


def write_tree(folder: Path, changes: Mapping[str, str | bytes | None] | None = None) -> Path:
    """
    Write the files.

    :param folder: where to
    :param changes: files with another content, or None for those to leave out
    """
    for name, content in {**FILES, **(changes or {})}.items():
        if content is None:
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_the_corpus_starts_from_something_right(tmp_path: Path) -> None:
    configuration = load(write_tree(tmp_path))

    assert configuration.errors == ()
    assert list(configuration.deliveries) == ["neighbour", "weekly_segment"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"orchestrations/b.yml": "query: x"},
            "orchestrations/b.yml:1: only files that end in .yaml are read. Rename it to b.yaml.",
        ),
        ({"orchestrations/b c.yaml": "query: x"}, "orchestrations/b c.yaml:1: a name may hold letters, digits"),
        (
            {f"orchestrations/{'b' * 101}.yaml": "query: x"},
            f"orchestrations/{'b' * 101}.yaml:1: a name may hold letters, digits, '_', '-' and '.' only, at most 100",
        ),
        ({"orchestrations/b.yaml/c.yaml": "query: x"}, "orchestrations/b.yaml: folders in here are not read."),
        ({"orchestrations/eu/c.yaml": "query: x"}, "orchestrations/eu: folders in here are not read."),
        (
            {"orchestrations/b.yaml": b"query: \xff\n"},
            "orchestrations/b.yaml:1: is not in UTF-8. Save the file as UTF-8.",
        ),
        ({"orchestrations/b.yaml": b"a: 1\nquery: \xff\n"}, "orchestrations/b.yaml:2: is not in UTF-8."),
        ({"contracts/segment.yaml": FILES[CONTRACT]}, "contracts/segment.yaml:1: segment is a built-in contract."),
        ({"orchestration/b.yaml": "query: x"}, None),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, changes: dict[str, str | bytes | None], line: str | None) -> None:
    configuration = load(write_tree(tmp_path, changes))

    assert [str(error) for error in configuration.errors if line is None or not str(error).startswith(line)] == []
    assert len(configuration.errors) == (line is not None)
    assert list(configuration.deliveries) == ["neighbour", "weekly_segment"]


def test_a_mistake_that_stops_several_orchestrations_is_told_once(tmp_path: Path) -> None:
    changes = {
        DESTINATION: FILES[DESTINATION].replace("special_characters", "none"),
        "orchestrations/another.yaml": FILES[ORCHESTRATION],
    }

    configuration = load(write_tree(tmp_path, changes))

    (error,) = configuration.errors
    assert str(error).startswith(f"{DESTINATION}:6: settings.quote_mode: ")
    assert str(error).endswith(" (It stops another, weekly_segment.)")


def test_every_mistake_is_told(tmp_path: Path) -> None:
    changes = {
        DESTINATION: "conection: x\nsettings: {header: 1, zip64: 2}\n",
        TEMPLATE: "destination: nowhere\n",
        ORCHESTRATION: "query: a.txt\nsource: [x]\ndata_template: segment\n",
        "orchestrations/another.yaml": "tabs:\n\t- x",
        "orchestrations/third.yaml": FILES[ORCHESTRATION],
    }

    configuration = load(write_tree(tmp_path, changes))

    assert [str(error).split(": ")[0] for error in configuration.errors] == [
        f"{DESTINATION}:1",
        f"{DESTINATION}:2",
        f"{DESTINATION}:2",
        f"{TEMPLATE}:1",
        "orchestrations/another.yaml:2",
        f"{ORCHESTRATION}:1",
        f"{ORCHESTRATION}:2",
    ]
    assert list(configuration.deliveries) == ["neighbour"]


def test_a_column_that_the_contract_requires(tmp_path: Path) -> None:
    strict = FILES[CONTRACT].replace("name: points", "name: birthday").replace("required: false", "required: true")

    (error,) = load(write_tree(tmp_path, {CONTRACT: strict})).errors

    assert str(error).startswith(f"{TEMPLATE}:3: columns: the contract loyal requires the column 'birthday'")
    assert "Add it." in str(error)


def test_the_value_that_completes_a_conflict_is_the_one_to_mend(tmp_path: Path) -> None:
    changes = {
        DESTINATION: FILES[DESTINATION].replace("csv\n", "csv\n  escape_character: ';'\n"),
        TEMPLATE: FILES[TEMPLATE].replace('null_text: ""', "file_format: custom\n  delimiter: ';'"),
    }

    (error,) = load(write_tree(tmp_path, changes)).errors

    assert str(error).startswith(f"{TEMPLATE}:8: settings.delimiter: the escape character is the delimiter too.")


def test_no_folder(tmp_path: Path) -> None:
    (error,) = load(tmp_path / "nowhere").errors

    assert str(error) == (
        f"{tmp_path}/nowhere: is no folder that can be read: No such file or directory."
        " Set AIRFLOW__PERSADO__CONFIG_DIR to it."
    )


def test_a_file_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "orchestrations").touch()

    assert "Not a directory" in str(load(tmp_path / "file").errors[0])
    assert str(load(tmp_path).errors[0]) == "orchestrations: is no folder that can be read: Not a directory. Mend it."


def test_an_empty_folder_is_no_mistake(tmp_path: Path) -> None:
    configuration = load(tmp_path)

    assert (configuration.deliveries, configuration.errors) == ({}, ())


@pytest.mark.parametrize("folder", ["data_templates", "destinations", "queries", "keys"])
def test_a_missing_folder(tmp_path: Path, folder: str) -> None:
    changes = {name: None for name in FILES if name.startswith(f"{folder}/")}

    errors = load(write_tree(tmp_path, changes)).errors

    assert errors
    assert all(f"there is no file {folder}/" in str(error) for error in errors)


def test_a_misspelt_folder(tmp_path: Path) -> None:
    write_tree(tmp_path)
    (tmp_path / "orchestrations").rename(tmp_path / "orchestration")

    (error,) = load(tmp_path).errors

    assert str(error) == "orchestration: is a folder that is not read. Did you mean 'orchestrations'? Rename it."


@pytest.mark.parametrize(
    ("right", "wrong"), [("destinations", "Destination"), ("data_templates", "data-templates"), ("queries", "query")]
)
def test_a_misspelt_folder_is_told_once_with_all_that_it_stops(tmp_path: Path, right: str, wrong: str) -> None:
    write_tree(tmp_path)
    (tmp_path / right).rename(tmp_path / wrong)

    (error,) = load(tmp_path).errors

    assert str(error) == (
        f"{wrong}: is a folder that is not read. Did you mean '{right}'? Rename it. (It stops neighbour,"
        " weekly_segment.)"
    )


@pytest.mark.parametrize("kind", ["destinations", "data_templates", "orchestrations"])
@pytest.mark.parametrize("twin", ["{}.yml", "{}.YAML", "{}/x", "{}.yaml.d/x"])
def test_a_file_that_is_not_read_hides_none_of_its_name(tmp_path: Path, kind: str, twin: str) -> None:
    name = {"destinations": "persado", "data_templates": "segment", "orchestrations": "weekly_segment"}[kind]

    configuration = load(write_tree(tmp_path, {f"{kind}/{twin.format(name)}": "text"}))

    assert len(configuration.errors) == 1
    assert list(configuration.deliveries) == ["neighbour", "weekly_segment"]


def test_a_folder_that_keeps_its_files_to_itself(tmp_path: Path) -> None:
    """In a process of another user: root may read everything."""
    folder = write_tree(tmp_path / "shown" / "to" / "all")
    script = (
        "import os, pathlib, sys\nfrom persado.settings import load\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "assert not load(folder).errors\n"  # with all that is imported on the way
        "for kind, mode in (('orchestrations', 0o444), ('data_templates', 0), ('queries', 0)):\n"
        "    (folder / kind).chmod(mode)\n"
        "    if pid := os.fork():\n"
        "        os.waitpid(pid, 0)\n"
        "        (folder / kind).chmod(0o755)\n"
        "    else:\n"
        "        os.chdir(folder)\n"
        "        os.getuid() or os.setuid(65534)\n"
        "        print(*load(pathlib.Path('.')).errors, sep='\\n', flush=True)\n"
        "        os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=False)

    unread, denied = "is no folder that can be read: Permission denied. Mend it.", "cannot be read: Permission denied."
    assert (done.stdout.splitlines(), done.stderr) == (
        [
            f"orchestrations: {unread}",
            f"data_templates: {unread} (It stops neighbour, weekly_segment.)",
            f"queries/plain.sql:1: {denied} Check the file's permissions. (It stops neighbour.)",
            f"queries/segment.sql:1: {denied} Check the file's permissions. (It stops weekly_segment.)",
        ],
        "",
    )


def test_a_file_too_large_to_be_one(tmp_path: Path) -> None:
    (error,) = load(write_tree(tmp_path, {"orchestrations/b.yaml": "#" * 5_000_001})).errors

    assert str(error) == "orchestrations/b.yaml:1: is larger than 5,000,000 bytes. Is it the right file?"


@pytest.mark.parametrize(
    ("query", "line", "says"),
    [
        ("SELECT '{{ ds '", 1, "unexpected char"),
        ("SELECT 1\n{% if true %}\n", 2, "looking for the following tags"),
        ("SELECT 1\n\n{% fro x in y %}", 3, "unknown tag 'fro'"),
        ("SELECT '{{ ds | upercase }}'", 1, "No filter named 'upercase'"),
        ("SELECT 1 {# later", 1, "Missing end of comment tag"),
    ],
)
def test_a_query_that_is_no_template(tmp_path: Path, query: str, line: int, says: str) -> None:
    (error,) = load(write_tree(tmp_path, {"queries/segment.sql": query})).errors

    assert str(error).startswith(f"queries/segment.sql:{line}: is no valid Jinja template: ")
    assert says in str(error)
    assert str(error).endswith("{% raw %} and {% endraw %}. (It stops weekly_segment.)")


@pytest.mark.parametrize(
    "query",
    ["SELECT '{{ params.since }}'", "{% do x.append(1) %}", "SELECT '{{ logical_date | ds_nodash }}'", "SELECT '{ }}'"],
)
def test_a_query_that_is_one(tmp_path: Path, query: str) -> None:
    assert load(write_tree(tmp_path, {"queries/segment.sql": query})).errors == ()


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    write_tree(tmp_path)
    (tmp_path / "orchestrations" / "broken.yaml").symlink_to("nowhere")
    (tmp_path / "orchestrations" / "loop.yaml").symlink_to("loop.yaml")

    errors = [str(error) for error in load(tmp_path).errors]

    assert errors == [
        "orchestrations/broken.yaml:1: is no plain file. Put a file there.",
        "orchestrations/loop.yaml:1: is no plain file. Put a file there.",
    ]


@pytest.mark.parametrize("name", ["weekly.yaml", "weekly.yml"])
def test_a_file_beside_the_folders(tmp_path: Path, name: str) -> None:
    configuration = load(write_tree(tmp_path, {name: FILES[ORCHESTRATION]}))

    assert [str(error) for error in configuration.errors] == [
        f"{name}:1: is not read here. Move it into destinations, data_templates, orchestrations or contracts."
    ]
    assert "weekly_segment" in configuration.deliveries


def test_files_of_other_kinds_are_left_alone(tmp_path: Path) -> None:
    changes = {
        "orchestrations/README.md": "text",
        "orchestrations/.hidden.yaml": "text",
        "orchestrations/.git/x": "text",
        "notes/x": "text",
    }

    assert load(write_tree(tmp_path, changes)).errors == ()


@pytest.mark.parametrize("content", ["SELECT \xff".encode("latin-1"), b" \n"])
def test_a_query_that_cannot_be_used(tmp_path: Path, content: bytes) -> None:
    (error,) = load(write_tree(tmp_path, {"queries/segment.sql": content})).errors

    assert str(error).startswith("queries/segment.sql:1: is ")
    assert str(error).endswith(" (It stops weekly_segment.)")


@pytest.mark.parametrize("bomb", ["- " * 200_000, "[" * 200_000, "a: " + "{a: " * 200_000, "? " * 200_000])
def test_nesting_without_end(tmp_path: Path, bomb: str) -> None:
    (error, *_) = load(write_tree(tmp_path, {ORCHESTRATION: bomb})).errors

    assert str(error).startswith(f"{ORCHESTRATION}:")


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
def test_what_may_be_a_secret_is_not_repeated(tmp_path: Path, line: str) -> None:
    (error, *_) = load(write_tree(tmp_path, {TEMPLATE: f"destination: persado\nsettings:\n  {line}\n"})).errors

    assert "sesame" not in str(error)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("tree"))


KEYS = sorted({key for text in FILES.values() for key in re.findall(r"\w+(?=:)", text)})
YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text() | st.sampled_from(KEYS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=5),
)


@st.composite
def mangled(draw: st.DrawFn, text: str) -> str:
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    return (
        text[:start] + draw(st.text(alphabet="\t\n '\"\\:#[]{}&*!|>%@`-?,~<=.0a\x00é\u2028", max_size=5)) + text[end:]
    )


@settings(deadline=None)
@given(data=st.data(), file=st.sampled_from([DESTINATION, TEMPLATE, CONTRACT, ORCHESTRATION, "queries/segment.sql"]))
def test_nothing_that_stands_in_a_file_raises(tree: Path, data: st.DataObject, file: str) -> None:
    content = data.draw(
        st.binary()
        | st.text().map(str.encode)
        | mangled(FILES[file]).map(str.encode)
        | YAML_VALUES.map(lambda value: yaml.safe_dump(value, allow_unicode=True).encode())
    )
    try:
        (tree / file).write_bytes(content)
        configuration = load(tree)
    finally:
        (tree / file).write_text(FILES[file])

    assert "neighbour" in configuration.deliveries
    assert bool(configuration.errors) == ("weekly_segment" not in configuration.deliveries)
    assert all(str(error).isprintable() for error in configuration.errors)


def test_orchestrations_that_would_set_each_other_going_for_ever(tmp_path: Path) -> None:
    weekly = FILES["orchestrations/weekly_segment.yaml"]
    neighbour = FILES["orchestrations/neighbour.yaml"]

    def waits(text: str, workflow: str) -> str:
        return re.sub(r"^workflow: .*$", f"workflow: {workflow}", text, flags=re.MULTILINE)

    third = "{when_changed: [customers, persado://persado/weekly_segment]}"
    write_tree(
        tmp_path,
        {
            "orchestrations/weekly_segment.yaml": waits(weekly, "{when_changed: [persado://persado/third]}"),
            "orchestrations/third.yaml": waits(weekly, third),
            "orchestrations/neighbour.yaml": f"{neighbour}workflow: {third}\n",
        },
    )
    configuration = load(tmp_path)
    (error,) = configuration.errors
    assert str(error) == (
        "orchestrations/third.yaml:5: workflow: is a circle: third waits for weekly_segment waits for third, so that"
        " each delivery would set the next one going, for ever. Take one of them out. (It stops weekly_segment.)"
    )
    # Who only waits for one of them is no part of it.
    assert list(configuration.deliveries) == ["neighbour"]
