"""
Where one delivery's files rest between two stages.

The folder is private (0700, its files 0600). A file is written under ``.part`` and renamed when it is complete,
so that a killed stage never leaves something that the next one could take for whole.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from persado.errors import ConfigurationError
from persado.pipeline.stage.artifact import Artifact, MeasuredSink

ABANDONED_AFTER = 3 * 24 * 3600
"""The age in seconds from which the files of a delivery count as abandoned, here and at the site."""


class StageArea:
    """
    The folder of one delivery.

    :param root: the folder of all deliveries: a :class:`pathlib.Path`, or an object that behaves like one
        (Airflow's ``ObjectStoragePath``)
    :param delivery_id: the delivery's id, the name of its folder
    """

    def __init__(self, root: Any, delivery_id: str) -> None:
        self._root = root
        self._folder = root / delivery_id

    @contextmanager
    def create(self, file: str) -> Iterator[MeasuredSink]:
        """
        Write a file; it appears when the block ends without an error.

        :param file: its name in the folder
        """
        self._make_folder()
        part, path = self._folder / f"{file}.part", self._folder / file
        with _open_private(part) as target:
            yield MeasuredSink(target)
        if isinstance(part, Path):
            part.replace(path)
        else:
            part.rename(path)

    def artifact(self, file: str, sink: MeasuredSink, *, name: str, rows: int) -> Artifact:
        """Give the record of a file that :meth:`create` has completed."""
        return Artifact(uri=str(self._folder / file), name=name, rows=rows, bytes=sink.bytes, sha256=sink.sha256)

    def open(self, artifact: Artifact) -> BinaryIO:
        """
        Open a file that an earlier stage left.

        :raises ConfigurationError: if it is gone, or is not the size that it had
        """
        path = self._folder / artifact.uri.rsplit("/", 1)[-1]
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            size = None
        if size != artifact.bytes:
            found = "it is not there" if size is None else f"it has {size} bytes"
            raise ConfigurationError(
                f"{artifact.uri}: expected a file of {artifact.bytes} bytes from the stage before, but {found}. The "
                "stage area is emptied when a delivery is done; on several workers it must be shared (stage_uri). "
                "Clear the run from its first task on (extract, with all downstream tasks)"
            )
        return cast("BinaryIO", path.open("rb"))

    def holds(self, artifacts: Iterable[Artifact]) -> bool:
        """Tell whether all these files are there; how large they are is :meth:`open`'s matter."""
        return all((self._folder / artifact.uri.rsplit("/", 1)[-1]).exists() for artifact in artifacts)

    def remove(self) -> None:
        """Remove the delivery's files."""
        _remove(self._folder)

    def sweep(self, older_than: float = ABANDONED_AFTER) -> None:
        """
        Remove what deliveries that never ended have left; what is of unknown age stays.

        :param older_than: the age in seconds from which on a folder counts as abandoned
        """
        limit = time.time() - older_than
        if not self._root.exists():
            return
        for folder in self._root.iterdir():
            # Another delivery may remove or sweep it at the same moment.
            with suppress(FileNotFoundError):
                if folder != self._folder and folder.is_dir() and _changed(folder) < limit:
                    _remove(folder)

    def _make_folder(self) -> None:
        for folder in (self._root, self._folder):
            if isinstance(folder, Path):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            else:
                folder.mkdir(parents=True, exist_ok=True)


def _open_private(path: Any) -> BinaryIO:
    if isinstance(path, Path):
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
    return cast("BinaryIO", path.open("wb"))


def _changed(folder: Any) -> float:
    if isinstance(folder, Path):
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    try:
        # The paths' own stat knows the time in some kinds of storage only, and gives 1970 in the others.
        return float(max(path.fs.modified(path.path).timestamp() for path in folder.iterdir()))
    except (NotImplementedError, ValueError):
        return math.inf


def _remove(folder: Any) -> None:
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists():
        folder.rmdir(recursive=True)
