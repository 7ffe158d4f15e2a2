"""Leftovers of unfinished deliveries are removed, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from support.sites.folder import contents
from support.sites.sending import DELIVERY, SMALL, Server, send

from persado.pipeline.upload.temporary_names import temporary_path

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


def test_another_delivery_is_left_alone(server: Server, folder: Path) -> None:
    other = Path(temporary_path(str(folder / "inbox" / "a.csv"), "another", 1))
    other.write_bytes(b"half")
    send(server, {"a.csv": SMALL})
    assert contents(folder / "inbox") == {"a.csv": SMALL, other.name: b"half"}


def test_abandoned_files_are_swept_and_nothing_else(server: Server, folder: Path) -> None:
    inbox, old = folder / "inbox", time.time() - 4 * 24 * 3600

    def put(name: str, age: float = old) -> str:
        (inbox / name).write_bytes(b"x")
        os.utime(inbox / name, (age, age))
        return name

    gone = [
        put(f".persado-{'d' * 16}-0000001-{'0' * 16}.part"),
        put(f"persado-{'d' * 16}-0000002-{'0' * 16}-replaced.part"),
        put(f".persado-{'1' * 16}.lock"),
        put(f".persado-{DELIVERY}-0000001-{'0' * 16}.part", time.time()),  # other content
    ]
    kept = {
        put("foreign.csv"),
        put(".persado-notes.part"),
        put(".persado.lock"),
        put(f".persado-{'e' * 16}-0000001-{'0' * 16}.part"),
        put(f".persado-{'e' * 16}-0000002-{'0' * 16}.part", time.time()),  # still running
        put(f".persado-{'2' * 16}.lock", time.time()),
    }
    send(server, {"a.csv": SMALL})
    assert set(contents(inbox, locks=True)) == kept | {"a.csv"}
    assert not kept & set(gone)


def test_abandoned_files_in_the_folders_of_earlier_days_are_swept(server: Server, folder: Path) -> None:
    days = {"2025/12/31": 4, "2026/01/01": 3.5, "2026/01/02": 2, "2025/11/01": 60, "2026/notes/x": 4}
    left = f".persado-{'d' * 16}-0000001-{'0' * 16}.part"
    for day, age in days.items():
        path = folder / "inbox" / day
        path.mkdir(parents=True)
        (path / left).write_bytes(b"x")
        (path / "out.csv").write_bytes(b"x")
        moment = time.time() - age * 24 * 3600
        for changed in (path / left, path):
            os.utime(changed, (moment, moment))
    os.utime(folder / "inbox" / "2025" / "11", (0, 0))
    send(server, {"2026/01/05/out.csv": SMALL})
    found = contents(folder / "inbox", locks=True)
    assert {path for path in found if path.endswith(".part")} == {f"2026/01/02/{left}", f"2025/11/01/{left}"}
    assert len(found) == 2 + len(days) + 1
