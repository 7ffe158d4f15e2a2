"""How a delivery treats its site: the settings that the upload and the success file obey."""

from __future__ import annotations

from dataclasses import dataclass, field

from persado.settings.models.effective import Settings
from persado.settings.models.quirks import Quirks
from persado.settings.models.setting_values import IfBusy, IfExists, Verify


@dataclass(frozen=True, kw_only=True)
class SiteRules:
    """
    The settings of the same names.

    :param if_exists: what to do where a final name is taken already
    :param if_busy: what to do while another delivery writes the same names
    :param verify: how a file is checked before it gets its final name
    :param create_remote_folder: whether the remote folder is made where it is missing
    :param quirks: what the site does differently
    """

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
