"""Which level wins where several set the same key, and how the levels grant access together."""

from pathlib import Path

import pytest
from support.settings.levels import delivery

from persado.settings import Access, Settings, Split


def test_the_nearest_level_wins_and_is_recorded_as_origin(tmp_path: Path) -> None:
    weekly = delivery(
        tmp_path,
        {
            "destinations/persado.yaml": """\
settings:
  filename_template: destination.csv
  quote_mode: all
  line_ending: CRLF
  header: false
  encoding: gzip
""",
            "data_templates/segment.yaml": """\
settings:
  quote_mode: all_non_null

  header: true
""",
        },
    )

    settings, origins = weekly.settings, weekly.origins
    assert (settings.filename_template, origins["filename_template"]) == ("segment.csv", "orchestrations/weekly.yaml:4")
    assert (settings.quote_mode, origins["quote_mode"]) == ("all_non_null", "data_templates/segment.yaml:3")
    assert (settings.header, origins["header"]) == (True, "data_templates/segment.yaml:5")
    assert (settings.line_ending, origins["line_ending"]) == ("CRLF", "destinations/persado.yaml:5")
    assert (settings.encoding, origins["encoding"]) == ("gzip", "destinations/persado.yaml:7")
    assert (settings.if_exists, origins["if_exists"]) == ("replace", "default")
    assert origins.keys() == Settings.model_fields.keys()


def test_an_explicit_null_overrides(tmp_path: Path) -> None:
    some = "settings: {pgp_public_key: own.asc, escape_character: '\\', split: {rows: 50000}}\n"
    additions = {"keys/own.asc": "key", "destinations/persado.yaml": some}
    inherited = delivery(tmp_path, additions)
    nulls = "settings: {pgp_public_key: null, escape_character: null, split: ~}\n"
    overridden = delivery(tmp_path, {**additions, "data_templates/segment.yaml": nulls})

    assert inherited.settings.pgp_public_key == "own.asc"
    assert inherited.public_key_file == tmp_path / "keys" / "own.asc"
    assert (inherited.settings.escape_character, inherited.settings.split) == ("\\", Split(rows=50_000))
    assert overridden.public_key_file is None
    assert (overridden.settings.escape_character, overridden.settings.split) == (None, None)
    assert overridden.origins["split"] == "data_templates/segment.yaml:2"


def test_levels_may_complete_each_other(tmp_path: Path) -> None:
    weekly = delivery(
        tmp_path,
        {
            "destinations/persado.yaml": "settings: {quote_mode: none, file_format: custom}\n",
            "data_templates/segment.yaml": "settings: {escape_character: '\\', delimiter: ;}\n",
        },
    )

    assert (weekly.settings.field_delimiter, weekly.settings.quote_mode) == (";", "none")


@pytest.mark.parametrize(
    ("destination", "template", "both"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_both_levels_must_grant_access(tmp_path: Path, destination: bool, template: bool, both: bool) -> None:
    text = "access: {{business_users: {0}, limited_pii: {0}}}\n"

    weekly = delivery(
        tmp_path,
        {
            "destinations/persado.yaml": text.format(str(destination).lower()),
            "data_templates/segment.yaml": text.format(str(template).lower()),
        },
    )

    assert weekly.access == Access(business_users=both, limited_pii=both)
