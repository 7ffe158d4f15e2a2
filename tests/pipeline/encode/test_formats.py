"""The table of encodings has a row for each encoding in the settings."""

from typing import get_args

from persado.pipeline.encode.formats import FORMATS
from persado.settings.models.setting_values import Encoding


def test_every_encoding_of_the_settings_has_a_row() -> None:
    assert set(FORMATS) == set(get_args(Encoding))
