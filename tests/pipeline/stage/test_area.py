"""The stage area, on local disks and in object storage: private, with complete files only, swept by age."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]  # has no stubs

from persado.errors import ConfigurationError
from persado.pipeline.stage.area import StageArea
from persado.pipeline.stage.artifact import Artifact

DAY = 24 * 3600


@pytest.fixture(params=["file", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "file":
        yield tmp_path / "stage"
        return
    storage = MemoryFileSystem()
    attach("memory", fs=storage)
    yield ObjectStoragePath("memory://bucket/stage")
    with suppress(FileNotFoundError):
        storage.rm("/bucket", recursive=True)


def put(area: StageArea, file: str, content: bytes = b"content") -> Artifact:
    with area.create(file) as sink:
        sink.write(content)
    return area.artifact(file, sink, name="a.csv", rows=1)


def names(root: Any) -> set[str]:
    return {f"{folder.name}/{file.name}" for folder in root.iterdir() for file in folder.iterdir()}


def age(root: Any, delivery: str, seconds: float) -> None:
    """Make a delivery's files older."""
    then = time.time() - seconds
    if isinstance(root, Path):
        for path in (*(root / delivery).iterdir(), root / delivery):
            os.utime(path, (then, then))
    else:
        for path, file in root.fs.store.items():
            if f"/{delivery}/" in path:
                file.modified = type(file.modified).fromtimestamp(then, tz=file.modified.tzinfo)


def test_a_file_is_read_by_another_stage_area(root: Any) -> None:
    content = os.urandom(3_000_000)
    artifact = put(StageArea(root, "one"), "format-0000001", content)
    assert artifact.model_dump() == {
        "uri": str(root / "one" / "format-0000001"),
        "name": "a.csv",
        "rows": 1,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    with StageArea(root, "one").open(artifact) as file:
        assert file.read() == content


def test_a_second_try_replaces_the_first(root: Any) -> None:
    put(StageArea(root, "one"), "extract", b"longer than the second")
    artifact = put(StageArea(root, "one"), "extract", b"second")
    with StageArea(root, "one").open(artifact) as file:
        assert file.read() == b"second"
    assert names(root) == {"one/extract"}


def test_a_file_appears_when_it_is_complete(root: Any) -> None:
    area = StageArea(root, "one")
    with area.create("extract") as sink:
        sink.write(b"half")
        assert "one/extract" not in names(root)
    assert names(root) == {"one/extract"}


def test_a_stage_that_fails_leaves_no_file_under_the_name(root: Any) -> None:
    area = StageArea(root, "one")
    with pytest.raises(TypeError), area.create("extract") as sink:
        sink.write(b"half" + None)  # type: ignore[operator]  # fails
    assert names(root) <= {"one/extract.part"}
    put(area, "extract")
    assert names(root) == {"one/extract"}


def test_a_missing_or_short_file_is_refused(root: Any) -> None:
    area = StageArea(root, "one")
    artifact = put(area, "extract", b"12345")
    (root / "one" / "extract").write_bytes(b"123")
    with pytest.raises(ConfigurationError, match=r"expected a file of 5 bytes .*, but it has 3 bytes"):
        area.open(artifact)
    area.remove()
    with pytest.raises(ConfigurationError, match=r"it is missing.*Clear the run from its first task on") as caught:
        area.open(artifact)
    assert str(caught.value).startswith(str(root / "one" / "extract"))


def test_an_empty_file_is_read(root: Any) -> None:
    artifact = put(StageArea(root, "one"), "format", b"")
    with StageArea(root, "one").open(artifact) as file:
        assert file.read() == b""


def test_remove_deletes_the_files_of_one_delivery_only(root: Any) -> None:
    for delivery in ("one", "two"):
        put(StageArea(root, delivery), "extract")
    StageArea(root, "one").remove()
    StageArea(root, "one").remove()
    assert names(root) == {"two/extract"}


def test_sweep_removes_old_deliveries_only(root: Any) -> None:
    for delivery in ("old", "young", "mixed", "mine"):
        put(StageArea(root, delivery), "extract")
    for delivery in ("old", "mixed", "mine"):
        age(root, delivery, 4 * DAY)
    put(StageArea(root, "mixed"), "format")
    StageArea(root, "mine").sweep(3 * DAY)
    assert names(root) == {"young/extract", "mixed/extract", "mixed/format", "mine/extract"}


def test_sweep_accepts_a_missing_folder(root: Any) -> None:
    StageArea(root, "one").sweep(3 * DAY)


def test_sweep_leaves_files_of_unknown_age(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(self: MemoryFileSystem, path: str) -> None:
        raise NotImplementedError

    monkeypatch.setattr(MemoryFileSystem, "modified", unknown)
    attach("memory", fs=MemoryFileSystem())
    root = ObjectStoragePath("memory://bucket/ageless")
    put(StageArea(root, "one"), "extract")
    StageArea(root, "two").sweep(-DAY)
    assert names(root) == {"one/extract"}
    StageArea(root, "one").remove()


def test_a_local_stage_area_is_private(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "stage"
    before = os.umask(0)
    try:
        with StageArea(root, "one").create("extract") as sink:
            sink.write(b"half")
            assert mode(root / "one" / "extract.part") == 0o600
    finally:
        os.umask(before)
    assert mode(root) == mode(root / "one") == 0o700
    assert mode(root / "one" / "extract") == 0o600


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
