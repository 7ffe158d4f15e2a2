"""What an upload is to bring about: the same for the staged and the streaming upload, and for the success file."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from persado.pipeline.names import Names
from persado.pipeline.upload.rules import SiteRules


@dataclass(frozen=True, kw_only=True)
class UploadPlan:
    """
    Where the files of one delivery go, and how the site is to be treated.

    :param delivery_id: marks this delivery's temporary names
    :param remote_folder: the destination's folder; folders below it are created
    :param done_path: full path of the success file. A stale one is removed before the first final name appears, and
        the names stay this delivery's until the new one is written
    :param done_follows: whether a success file is written; if not, a stale one is removed all the same
    :param part_path: returns the final path of a part by its number; None where no parts lie at the site. What an
        earlier delivery of more parts has left would be taken for parts of this one
    :param rules: how the site is to be treated
    """

    delivery_id: str
    remote_folder: str
    done_path: str | None = None
    done_follows: bool = True
    part_path: Callable[[int], str] | None = None
    rules: SiteRules = field(default_factory=SiteRules)

    @classmethod
    def of(cls, names: Names, delivery_id: str) -> UploadPlan:
        """
        Plan a delivery.

        :param names: what its files are called
        :param delivery_id: the delivery
        """
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

        :param name: its name below the remote folder
        """
        return posixpath.join(self.remote_folder, name)
