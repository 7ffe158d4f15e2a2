"""The names of a run's files, at the site and inside archives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from support.files.tabular import settings

from persado.errors import ConfigurationError
from persado.pipeline.names import Names
from persado.settings.filenames.template import NameValues

VALUES = NameValues(now=datetime(2026, 11, 24, tzinfo=UTC), orchestration="o", run_id="r")
SPLIT = {"split": {"rows": 50_000}}


def names(**given: Any) -> Names:
    return Names(settings(**{"filename_template": "x.csv", **given}), VALUES)


@pytest.mark.parametrize(
    ("given", "files", "done"),
    [
        ({}, ["x.csv"], "x.csv.DONE"),
        ({"pgp_public_key": "k.asc"}, ["x.csv.pgp"], "x.csv.pgp.DONE"),
        (SPLIT, ["0000001.csv", "0000002.csv"], "x.csv.DONE"),
        (
            {**SPLIT, "split_directory_template": "a/{{now|format:'yyyy'}}", "pgp_public_key": "k.asc"},
            ["a/2026/0000001.csv.pgp", "a/2026/0000002.csv.pgp"],
            "a/2026.DONE",
        ),
        ({**SPLIT, "encoding": "tgz", "split_directory_template": "{{now|format:'YYYY'}}.tgz"}, ["2026.tgz"], None),
        ({**SPLIT, "encoding": "zip", "pgp_public_key": "k.asc"}, ["x.csv.pgp"], None),
    ],
)
def test_names_of_files_and_success_file(given: dict[str, Any], files: list[str], done: str | None) -> None:
    found = names(**given)
    assert found.first() == files[0]
    if not found.one_archive:
        assert [found.sent(found.formatted(part)) for part in range(1, len(files) + 1)] == files
    assert found.done() == (done or f"{files[0]}.DONE")


@pytest.mark.parametrize("encoding", ["zip", "tar", "tgz"])
def test_parts_in_an_archive_may_be_in_folders(encoding: str) -> None:
    found = names(**SPLIT, encoding=encoding, split_filename_template="{{file_number}}/part.csv")
    members = [found.member(found.formatted(part)) for part in (1, 2)]
    assert members == ["0000001/part.csv", "0000002/part.csv"]


@pytest.mark.parametrize(
    ("length", "given", "refused"),
    [
        (255, {"success_file": False}, False),
        (250, {}, False),
        (251, {}, True),
        (251, {"success_file": False, "pgp_public_key": "k.asc"}, False),
        (252, {"success_file": False, "pgp_public_key": "k.asc"}, True),
    ],
)
def test_a_suffix_that_makes_a_name_too_long_is_found_before_anything_runs(
    length: int, given: dict[str, Any], refused: bool
) -> None:
    found = names(filename_template="x" * length, **given)
    if not refused:
        found.check()
        return
    with pytest.raises(ConfigurationError, match=r"has a part of \d+ bytes; file systems take at most 255"):
        found.check()
