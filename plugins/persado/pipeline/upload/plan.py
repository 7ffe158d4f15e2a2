"""Where the files of a delivery go: the same for both kinds of upload and for the success file."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from persado.pipeline.names import Names
from persado.pipeline.upload.rules import SiteRules


@dataclass(frozen=True, kw_only=True)
class UploadPlan:
    """
    Where the files of one delivery go, and how to treat the site.

    :param delivery_id: part of the delivery's temporary names
    :param remote_folder: the destination's folder; folders below it are created
    :param done_path: full path of the success file. A stale one is removed before the first file is renamed, and the
        lock is held until the new one is written
    :param done_follows: whether a success file will be written; a stale one is removed in any case
    :param part_path: returns the final path of a part by its number; None if no parts are sent. Further parts of an
        earlier delivery are removed, because they would be taken for parts of this one
    """

    delivery_id: str
    remote_folder: str
    done_path: str | None = None
    done_follows: bool = True
    part_path: Callable[[int], str] | None = None
    rules: SiteRules = field(default_factory=SiteRules)

    @classmethod
    def of(cls, names: Names, delivery_id: str) -> UploadPlan:
        """Plan a delivery."""
        settings = names.settings
        plan = cls(
            delivery_id=delivery_id,
            remote_folder=settings.remote_dir,
            done_follows=bool(settings.success_file),
            rules=SiteRules.of(settings),
        )
        part_path = (lambda number: plan.remote_path(names.part(number))) if names.sends_parts else None
        return replace(plan, done_path=plan.remote_path(names.done()), part_path=part_path)

    def remote_path(self, name: str) -> str:
        """
        Return the full path of a file at the site.

        :param name: its path below the remote folder
        """
        return posixpath.join(self.remote_folder, name)
