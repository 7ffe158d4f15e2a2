"""The effective settings of a delivery."""

from __future__ import annotations

import re

from pydantic import model_validator

from persado.settings.fields import AfterFormat, mistake, shapes_text
from persado.settings.models import conflicts as rules
from persado.settings.models.file_settings import SettingsLayer
from persado.settings.models.setting_values import Filename


class Settings(SettingsLayer):
    """The effective settings of a delivery: complete and without conflicts."""

    filename_template: AfterFormat[Filename]

    @model_validator(mode="after")
    def _no_conflict(self) -> Settings:
        for conflict in rules.conflicts(self):
            raise mistake(conflict.message, conflict.keys[0])
        return self

    @classmethod
    def text_settings(cls) -> tuple[str, ...]:
        """Return the names of the settings that shape the text: those not marked as ``AfterFormat``."""
        return tuple(name for name, field in cls.model_fields.items() if shapes_text(field))

    @property
    def field_delimiter(self) -> str:
        """The character between two values, whatever the file format."""
        return rules.field_delimiter(self)

    @property
    def remote_dir(self) -> str:
        """The remote folder as the site knows it; see :func:`unescaped`."""
        return unescaped(self.remote_folder)


def unescaped(remote_folder: str) -> str:
    """Return a remote folder from the settings as the site knows it: without escapes or a trailing slash."""
    folder = re.sub(r"\\([\\ ])", r"\1", remote_folder)
    return "/" + "/".join(part for part in folder.split("/") if part)
