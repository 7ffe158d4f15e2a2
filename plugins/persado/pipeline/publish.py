"""Give what has arrived its final names: the moment from which on others may see it."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from persado.errors import RejectedError, TransientError
from persado.pipeline.remote_files import kind, make_folders, remove_if_there, rename, require_folder, size_of, taken
from persado.pipeline.site import Session

IfExists = Literal["replace", "fail"]


@dataclass(frozen=True)
class Arrived:
    """
    A file that is at the site, complete, under a temporary name.

    :param temporary: its path now
    :param remote_path: its final path
    :param size: its size in bytes
    """

    temporary: str
    remote_path: str
    size: int


@dataclass
class Publication:
    """
    The final names of a delivery's files, and how many of them are given; that outlives a lost connection.

    :param done_path: the path of the success file that will follow: a stale one is removed before the first final
        name appears
    :param if_exists: what to do where a final name is taken already
    """

    done_path: str | None
    if_exists: IfExists
    renamed: int = 0
    asked: int = 0

    def look(self, session: Session, remote_folder: str, paths: Sequence[str]) -> None:
        """
        Look before the first byte is sent whether the final names can be given; make folders that are missing.

        :param session: an open session
        :param remote_folder: the folder of the destination, which must exist
        :param paths: the final paths
        :raises RejectedError: where a folder is missing or a name is taken
        """
        require_folder(session, remote_folder)
        for folder in dict.fromkeys(posixpath.dirname(path) for path in paths):
            make_folders(session, remote_folder, folder)
        for path in paths:
            found = kind(session, path)
            if found == "folder":
                raise RejectedError(f"{path} at the site is a folder; a file cannot take its place")
            if found == "file" and self.if_exists == "fail":
                raise taken(path)

    def advance(self, session: Session, files: Sequence[Arrived]) -> None:
        """
        Give the names that are not given yet.

        :param session: an open session
        :param files: all the files of the delivery, in order
        """
        if self.done_path is not None and not self.renamed:
            remove_if_there(session, self.done_path)
        while self.renamed < len(files):
            self._rename(session, files[self.renamed])
            self.renamed += 1

    def _rename(self, session: Session, file: Arrived) -> None:
        asked_before, self.asked = self.asked > self.renamed, self.renamed + 1
        try:
            rename(session, file.temporary, file.remote_path, replace=self.if_exists == "replace")
        except RejectedError as error:
            if kind(session, file.temporary) is not None:
                raise
            # A request whose answer was lost may have done it.
            if not asked_before or size_of(session, file.remote_path) != file.size:
                raise TransientError(
                    f"{file.temporary} has gone from the site before it was renamed to {file.remote_path}"
                ) from error
