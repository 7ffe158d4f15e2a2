"""
The real stages of a delivery one after the other, as Airflow runs them, in any process.

The result of each stage is stored on disk, like in XCom: the next try begins with the first stage that is not done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from persado.pipeline import chained
from persado.pipeline.done.success_file import write_success_file
from persado.pipeline.encrypt.public_key import PublicKey
from persado.pipeline.names import Names
from persado.pipeline.recipe import Recipe
from persado.pipeline.rows.row_spec import RowSpec
from persado.pipeline.site import connect as site
from persado.pipeline.site import reconnect
from persado.pipeline.site.connect import open_session
from persado.pipeline.site.session import Session
from persado.pipeline.site.site import Site
from persado.pipeline.stage.area import StageArea
from persado.pipeline.stage.artifact import Artifact
from persado.pipeline.stage.receipt import DeliveredFile
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.rules import SiteRules
from persado.pipeline.upload.staged import Upload, upload
from persado.settings.filenames.template import NameValues
from persado.settings.models.effective import Settings

STAGES = ("extract", "format", "encode", "encrypt", "upload", "success_file")
_FILES = TypeAdapter(tuple[Artifact, ...])


@dataclass(frozen=True)
class Chain:
    """
    A delivery.

    :param folder: contains the stage area and the results of the stages
    :param warehouse: a SQLite file
    :param key: the receiver's key
    """

    site: Site
    folder: Path
    warehouse: Path
    sql: str
    settings: Settings
    key: PublicKey | None = field(default=None, repr=False)
    remote_folder: str = "/inbox"
    delivery_id: str = "0123456789abcdef"

    @property
    def names(self) -> Names:
        """The names of the files."""
        return Names(self.settings, NameValues(now=datetime(2026, 10, 7, tzinfo=UTC), orchestration="o", run_id="r"))

    @property
    def recipe(self) -> Recipe:
        """How the files are made."""
        return Recipe(self.names, self.key)

    @property
    def plan(self) -> UploadPlan:
        """Where the files go."""
        return UploadPlan(
            delivery_id=self.delivery_id,
            remote_folder=self.remote_folder,
            done_path=self.done_path,
            rules=SiteRules.of(self.settings),
        )

    @property
    def done_path(self) -> str:
        """The path of the success file at the site."""
        return f"{self.remote_folder}/{self.names.done()}"

    def run(self, last: str = "success_file") -> tuple[Artifact, ...]:
        """Run the stages up to ``last`` that are not done yet; return the files of that one."""
        # Pauses only slow the tests down.
        reconnect.FIRST_PAUSE = site.FIRST_PAUSE = 0.01
        files: tuple[Artifact, ...] = ()
        for stage in STAGES[: STAGES.index(last) + 1]:
            record = self.folder / f"{stage}.json"
            if not record.exists():
                self.folder.mkdir(exist_ok=True)
                part = record.with_suffix(".part")
                part.write_bytes(_FILES.dump_json(getattr(self, f"_{stage}")(files)))
                part.replace(record)
            files = _FILES.validate_json(record.read_bytes())
        return files

    @property
    def _area(self) -> StageArea:
        return StageArea(self.folder / "stage", self.delivery_id)

    def _extract(self, _: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
        with closing(sqlite3.connect(self.warehouse)) as connection:
            file, _by = chained.extract_stage(
                self._area, connection, self.sql, RowSpec(), self.settings, lambda rows, size: None
            )
        return (file,)

    def _format(self, files: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
        return chained.format_stage(self._area, files[0], self.recipe, lambda rows, size: None)

    def _encode(self, files: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
        if self.settings.encoding == "none":
            return files
        return chained.encode_stage(self._area, files, self.recipe, lambda rows, size: None)

    def _encrypt(self, files: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
        if self.key is None:
            return files
        return chained.encrypt_stage(self._area, files, self.recipe, lambda rows, size: None)

    def _upload(self, files: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
        upload(
            _connect(self.site),
            [
                Upload(f"{self.remote_folder}/{file.name}", file.bytes, file.sha256, partial(self._area.open, file))
                for file in files
            ],
            self.plan,
        )
        return files

    def _success_file(self, files: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
        write_success_file(
            _connect(self.site),
            [
                DeliveredFile(
                    name=file.name,
                    remote_path=f"{self.remote_folder}/{file.name}",
                    rows=file.rows,
                    bytes=file.bytes,
                    sha256=file.sha256,
                )
                for file in files
            ],
            self.plan,
        )
        self._area.remove()
        return files


def _connect(to: Site) -> reconnect.Connect:
    """Log in as the hook does; a login that has worked once is proven."""
    proven = False

    @contextmanager
    def connect() -> Iterator[Session]:
        nonlocal proven
        with closing(open_session(to, proven=proven)) as session:
            proven = True
            yield session

    return connect
