"""Models created in Python: the same rules apply as in files."""

import pytest
from pydantic import ValidationError

from persado.settings import Column, Settings, SettingsLayer


@pytest.mark.parametrize(
    ("remote_folder", "path"),
    [
        ("/", "/"),
        ("/inbox/", "/inbox"),
        (r"/From\ ACME", "/From ACME"),
        (r"/a\\b//c\ d/", r"/a\b/c d"),
        (r"/\ \ x", "/  x"),
    ],
)
def test_remote_dir_is_the_remote_folder_without_escapes(remote_folder: str, path: str) -> None:
    assert Settings(filename_template="a.csv", remote_folder=remote_folder).remote_dir == path


@pytest.mark.parametrize(
    ("file_format", "delimiter", "character"),
    [("csv", None, ","), ("tsv", None, "\t"), ("psv", None, "|"), ("custom", "é", "é")],
)
def test_each_file_format_has_its_delimiter(file_format: str, delimiter: str | None, character: str) -> None:
    values = {"filename_template": "a", "file_format": file_format, "delimiter": delimiter}

    assert Settings.model_validate(values).field_delimiter == character


def test_a_fingerprint_as_printed_by_gpg_is_normalised() -> None:
    layer = SettingsLayer(pgp_fingerprint="0123 4567 89ab cdef 0123  4567 89ab cdef 0123 4567")

    assert layer.pgp_fingerprint == "0123456789ABCDEF0123456789ABCDEF01234567"


def test_settings_created_in_python_are_validated() -> None:
    with pytest.raises(ValidationError, match="needs a delimiter"):
        Settings(filename_template="a.csv", file_format="custom")
    with pytest.raises(ValidationError, match="filename_template"):
        Settings.model_validate({})
    assert Settings(filename_template="a.csv", quote_mode="none", allow_unescaped=True).escape_character is None


def test_models_are_frozen() -> None:
    column = Column(name="a", from_="b")

    with pytest.raises(ValidationError, match="frozen"):
        column.name = "c"  # type: ignore[misc]  # assigned on purpose
