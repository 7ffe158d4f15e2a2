"""The settings by which the upload and the success file treat the site."""

from __future__ import annotations

from dataclasses import dataclass, field

from persado.settings.models.effective import Settings
from persado.settings.models.quirks import Quirks
from persado.settings.models.setting_values import IfBusy, IfExists, Verify


@dataclass(frozen=True, kw_only=True)
class SiteRules:
    """The settings of the same names."""

    if_exists: IfExists = "replace"
    if_busy: IfBusy = "wait"
    verify: Verify = "size"
    create_remote_folder: bool = False
    quirks: Quirks = field(default_factory=Quirks)

    @classmethod
    def of(cls, settings: Settings) -> SiteRules:
        """Take them from the settings of a delivery."""
        return cls(
            if_exists=settings.if_exists,
            if_busy=settings.if_busy,
            verify=settings.verify,
            create_remote_folder=settings.create_remote_folder,
            quirks=settings.quirks,
        )
