"""Queries: valid and invalid Jinja templates, and files that cannot be used."""

from pathlib import Path

import pytest
from support.settings.mistakes import write_tree

from persado.settings import load


@pytest.mark.parametrize(
    ("query", "line", "problem"),
    [
        ("SELECT '{{ ds '", 1, "unexpected char"),
        ("SELECT 1\n{% if true %}\n", 2, "looking for the following tags"),
        ("SELECT 1\n\n{% fro x in y %}", 3, "unknown tag 'fro'"),
        ("SELECT '{{ ds | upercase }}'", 1, "No filter named 'upercase'"),
        ("SELECT 1 {# later", 1, "Missing end of comment tag"),
    ],
)
def test_an_invalid_template_is_reported(tmp_path: Path, query: str, line: int, problem: str) -> None:
    (error,) = load(write_tree(tmp_path, {"queries/segment.sql": query})).errors

    assert str(error).startswith(f"queries/segment.sql:{line}: is not a valid Jinja template: ")
    assert problem in str(error)
    assert str(error).endswith("{% raw %} and {% endraw %}. (It stops weekly_segment.)")


@pytest.mark.parametrize(
    "query",
    ["SELECT '{{ params.since }}'", "{% do x.append(1) %}", "SELECT '{{ logical_date | ds_nodash }}'", "SELECT '{ }}'"],
)
def test_a_valid_template_is_accepted(tmp_path: Path, query: str) -> None:
    assert load(write_tree(tmp_path, {"queries/segment.sql": query})).errors == ()


@pytest.mark.parametrize("content", ["SELECT \xff".encode("latin-1"), b" \n"])
def test_an_unusable_query_file_is_reported(tmp_path: Path, content: bytes) -> None:
    (error,) = load(write_tree(tmp_path, {"queries/segment.sql": content})).errors

    assert str(error).startswith("queries/segment.sql:1: is ")
    assert str(error).endswith(" (It stops weekly_segment.)")
