"""Invalid YAML, and YAML that means something else than it seems to: each is reported in one line, with advice."""

from pathlib import Path

import pytest
from support.settings.mistakes import (
    ORCHESTRATION,
    assert_reported,
    in_destination,
    in_orchestration,
    in_template,
    write_tree,
)

from persado.settings import load

MISTAKES = {
    "empty file": in_orchestration(None, "", 1, "is empty", "Write its keys"),
    "comments only": in_orchestration(None, "# later\n", 1, "is empty"),
    "a list": in_orchestration(None, "- query: x.sql\n", 1, "expected keys with values", "got a list"),
    "a word": in_orchestration(None, "later\n", 1, "expected keys with values", "got a single value"),
    "two documents": in_orchestration("execution:", "---\nexecution:", 9, "second YAML document", "one file for each"),
    "tab": in_orchestration("  line_ending", "\tline_ending", 8, "not valid YAML", "spaces, not with tabs"),
    "wrong indentation": in_orchestration("  line_ending", " line_ending", 8, "not valid YAML", "indentation"),
    "indented too far": in_orchestration("source:", "  source:", 3, "not valid YAML", "in quotes"),
    "no colon": in_orchestration("execution: chained", "execution chained", 9, "not valid YAML", "':' after the key"),
    "colon in a text": in_orchestration("The whole", "Now: the whole", 1, "not valid YAML", "in quotes"),
    "open quote": in_orchestration("on_empty: fail", "on_empty: 'fail", 11, "not valid YAML", "not closed"),
    "open bracket": in_template("birthdate, pii: true}", "birthdate, pii: true", 5, "not valid YAML", "not closed"),
    "braces without quotes": in_orchestration(
        "\"segment_{{now|format:'yyyy-MM-dd'}}.csv.gz\"", "{{now}}.csv", 7, "begins with '{' in quotes"
    ),
    "braces only": in_orchestration("\"segment_{{now|format:'yyyy-MM-dd'}}.csv.gz\"", "{{now}}", 7, "in quotes"),
    "at sign": in_orchestration("query: segment.sql", "query: @segment.sql", 2, "not valid YAML", "in quotes"),
    "unknown escape": in_destination("remote_folder: /", r'remote_folder: "/a\q"', 4, "valid YAML", "single quotes"),
    "lone backslash in double quotes": in_destination(
        "pool: persado_site", r'pool: "\"', 11, "not valid YAML", "not closed"
    ),
    "key twice": in_destination("  header: true", "  encoding: zip", 8, "'encoding'", "twice", "line 7", "Remove one"),
    "key is no text": in_destination("pool:", "on:", 11, "'on' is not a text", "in quotes"),
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
    "star": in_orchestration("on_empty: fail", "on_empty: *", 11, "not valid YAML", "in quotes"),
    "bracket too many": in_orchestration("{fail_below: 1}", "{fail_below: 1}}", 10, "closed that was not opened"),
    "Windows path": in_orchestration("The whole", '"C:\\Users"', 1, "not valid YAML", "single quotes"),
    "Norway": in_template("from: birthdate", "value: NO", 5, "columns[1].value: YAML reads NO as false.", "in quotes"),
    "capital truth": in_template("from: birthdate", "value: TRUE", 5, "YAML reads TRUE as true. Write true"),
    "plus": in_template("from: birthdate", "value: +49", 5, "YAML reads +49 as 49. Write 49"),
    "Norway in a parameter": in_orchestration(
        'type: string, default: "2026-01-01"', "default: off", 13, "params.since.default: YAML reads off as false."
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_reported_in_one_line_with_place_and_advice(tmp_path: Path, name: str) -> None:
    assert_reported(MISTAKES[name], tmp_path)


@pytest.mark.parametrize("bomb", ["- " * 200_000, "[" * 200_000, "a: " + "{a: " * 200_000, "? " * 200_000])
def test_very_deep_nesting_is_reported(tmp_path: Path, bomb: str) -> None:
    (error, *_) = load(write_tree(tmp_path, {ORCHESTRATION: bomb})).errors

    assert str(error).startswith(f"{ORCHESTRATION}:")
