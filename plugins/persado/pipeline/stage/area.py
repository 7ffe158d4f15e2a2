"""
The storage for the files of a delivery between two stages.

The folder is private (0700, its files 0600). A file is written as ``.part`` and renamed when it is complete, so a
killed stage never leaves a file that the next one could take for complete.
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
"""The age in seconds above which the files of a delivery count as abandoned, here and at the site."""


class StageArea:
    """
    The folder of one delivery.

    :param root: the folder of all deliveries: a :class:`pathlib.Path`, or an object with the same interface
        (Airflow's ``ObjectStoragePath``)
    :param delivery_id: the delivery's id, which is the name of its folder
    """

    def __init__(self, root: Any, delivery_id: str) -> None:
        self._root = root
        self._folder = root / delivery_id

    @contextmanager
    def create(self, file: str) -> Iterator[MeasuredSink]:
        """Write a file; it appears when the block ends without an error."""
        self._make_folder()
        part, path = self._folder / f"{file}.part", self._folder / file
        with _open_private(part) as target:
            yield MeasuredSink(target)
        if isinstance(part, Path):
            part.replace(path)
        else:
            part.rename(path)

    def artifact(self, file: str, sink: MeasuredSink, *, name: str, rows: int) -> Artifact:
        """Return the record of a file that :meth:`create` has completed."""
        return Artifact(uri=str(self._folder / file), name=name, rows=rows, bytes=sink.bytes, sha256=sink.sha256)

    def open(self, artifact: Artifact) -> BinaryIO:
        """
        Open a file of an earlier stage.

        :raises ConfigurationError: if it is missing, or its size has changed
        """
        path = self._folder / artifact.uri.rsplit("/", 1)[-1]
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            size = None
        if size != artifact.bytes:
            found = "it is missing" if size is None else f"it has {size} bytes"
            raise ConfigurationError(
                f"{artifact.uri}: expected a file of {artifact.bytes} bytes from the previous stage, but {found}. The "
                "stage area is emptied when a delivery is done; several workers must share it (stage_uri). "
                "Clear the run from its first task on (extract, with all downstream tasks)"
            )
        return cast("BinaryIO", path.open("rb"))

    def holds(self, artifacts: Iterable[Artifact]) -> bool:
        """Return whether all these files exist; :meth:`open` checks their sizes."""
        return all((self._folder / artifact.uri.rsplit("/", 1)[-1]).exists() for artifact in artifacts)

    def remove(self) -> None:
        """Remove the delivery's files."""
        _remove(self._folder)

    def sweep(self, older_than: float = ABANDONED_AFTER) -> None:
        """
        Remove the files of abandoned deliveries. Folders of unknown age are not removed.

        :param older_than: the age in seconds above which a folder counts as abandoned
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
        # stat() of these paths returns the time for some kinds of storage only, and 1970 for the others.
        return float(max(path.fs.modified(path.path).timestamp() for path in folder.iterdir()))
    except (NotImplementedError, ValueError):
        return math.inf


def _remove(folder: Any) -> None:
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists():
        folder.rmdir(recursive=True)
