"""A site's inbox with an older delivery in it, and a newer delivery with the same names, ready for upload."""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from persado.errors import PersadoError
from persado.pipeline.site.site import Site
from persado.settings.models.effective import Settings
from persado.settings.models.setting_values import Split
from support.chain import Chain
from support.moments import Moment
from support.sites.sftp_server import PASS_PHRASE
from support.watcher import STALE, Watcher

SETTINGS = Settings(
    filename_template="segment.csv", split=Split(megabytes=1), split_filename_template="{{file_number}}.csv"
)
NAMES = ("0000001.csv", "0000002.csv")
OLD = {NAMES[0]: b"old", NAMES[1]: b"older"}
NOWHERE = Site(login="nobody", password="none")


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run all stages before the upload, once."""
    folder = tmp_path_factory.mktemp("staged")
    warehouse, draw = folder / "warehouse.db", random.Random(1)
    with closing(sqlite3.connect(warehouse)) as connection, connection:
        connection.execute("CREATE TABLE customers (id TEXT, word TEXT)")
        rows = [(f"{number:08d}", draw.randbytes(40).hex()) for number in range(17_000)]
        connection.executemany("INSERT INTO customers VALUES (?, ?)", rows)
    chain = Chain(NOWHERE, folder / "chain", warehouse, "SELECT * FROM customers ORDER BY id", SETTINGS)
    chain.run(last="encrypt")
    return folder


class Bench:
    """
    The inbox and the delivery.

    :param folder: the site's folder, which contains the inbox
    :param staged: the folder of the stages before the upload
    """

    def __init__(self, folder: Path, staged: Path) -> None:
        self.folder, self.inbox = folder, folder / "inbox"
        self._staged = staged
        staged_files = sorted((staged / "chain" / "stage").glob("*/format-*"))
        self.new = {name: path.read_bytes() for name, path in zip(NAMES, staged_files, strict=True)}
        self.done = "segment.csv.DONE"

    def delivery(self, site: Site, *, remote_folder: str = "/inbox", **settings: Any) -> Chain:
        """Reset everything; return a delivery whose next stage is the upload."""
        shutil.rmtree(self.inbox, ignore_errors=True)
        self.inbox.mkdir()
        for name, content in {**({} if settings else OLD), self.done: STALE}.items():
            (self.inbox / name).write_bytes(content)
        folder = self.folder.parent / "chain"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._staged / "chain", folder, copy_function=os.link)
        return Chain(
            site,
            folder,
            self._staged / "warehouse.db",
            "",
            SETTINGS.model_copy(update=settings),
            remote_folder=remote_folder,
        )

    def watched(self) -> Watcher:
        """Watch the inbox as a receiver."""
        return Watcher(self.inbox, self.new, self.done, OLD)

    def check_arrived(self) -> None:
        """Check that the delivery has arrived and there are no other files, hidden ones included."""
        found = {path.name: path.read_bytes() for path in self.inbox.iterdir()}
        assert found.pop(self.done, STALE) != STALE
        assert set(found) == set(self.new)
        assert found == self.new


@pytest.fixture
def bench(tmp_path: Path, staged: Path) -> Bench:
    """Return a bench."""
    (tmp_path / "site").mkdir()
    return Bench(tmp_path / "site", staged)


@contextmanager
def struck(moment: Moment) -> Iterator[Moment]:
    """Add the moment to an error as a note."""
    try:
        yield moment
    except BaseException as error:
        error.add_note(f"struck at {moment}")
        raise


CONNECTION_FAULTS = (
    "the connection was lost",
    "the connection was closed before an SSH banner arrived",
    "the site did not answer within the time-out",
)


def check_understandable(error: PersadoError) -> None:
    """Check that an error names the place and the fault, and contains no secret and no internals."""
    text = str(error)
    assert re.search(r"\w+@127\.0\.0\.1:\d+: |/inbox", text), text
    assert any(fault in text for fault in CONNECTION_FAULTS), text
    assert PASS_PHRASE not in text
    assert not re.search(r"Traceback|Error\(|Exception|errno", text), text
