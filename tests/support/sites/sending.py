"""Upload contents to a test server and write their success file, with any settings."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from support.sites.proftpd import Proftpd
from support.sites.sftp_server import SftpServer
from support.sites.sshd import Sshd

from persado.pipeline.done.success_file import manifest, write_success_file
from persado.pipeline.site.connect import connect
from persado.pipeline.stage.receipt import DeliveredFile
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.rules import SiteRules
from persado.pipeline.upload.staged import Upload, upload
from persado.pipeline.upload.temporary_names import temporary_path

Server: TypeAlias = SftpServer | Sshd | Proftpd

DELIVERY = "0123456789abcdef"
NOISE = random.Random(1).randbytes(3_000_000)
LARGE = NOISE[:400_000]
SMALL = b"Hashed_Email\nd41d8cd98f00b204e9800998ecf8427e\n"
DONE = "a.csv.DONE"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a site's folder with an inbox."""
    (tmp_path / "site" / "inbox").mkdir(parents=True)
    return tmp_path / "site"


@pytest.fixture(params=["asyncssh", "openssh", "proftpd"])
def server(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Iterator[Server]:
    """Yield each of three real servers for the folder."""
    makes: dict[str, Callable[[], Server]] = {
        "asyncssh": lambda: SftpServer(folder),
        "openssh": lambda: Sshd(folder, tmp_path / "sshd"),
        "proftpd": lambda: Proftpd(folder, tmp_path / "proftpd"),
    }
    with makes[request.param]() as started:
        yield started


def send(
    server: Server,
    files: Mapping[str, bytes],
    *,
    remote_folder: str = "inbox",
    done: str | None = None,
    site: dict[str, Any] | None = None,
    delivery_id: str = DELIVERY,
    on_bytes: Callable[[int], None] = lambda count: None,
    done_follows: bool = True,
    part_path: Callable[[int], str] | None = None,
    **rules: Any,
) -> None:
    """Upload contents to paths below the remote folder."""
    base = server.remote(remote_folder)
    uploads = [
        Upload(f"{base.rstrip('/')}/{name}", len(content), digest(content), partial(io.BytesIO, content))
        for name, content in files.items()
    ]
    upload(
        partial(connect, server.site(**site or {}), proven=True),
        uploads,
        UploadPlan(
            delivery_id=delivery_id,
            remote_folder=base,
            done_path=f"{base}/{done}" if done else None,
            done_follows=done_follows,
            part_path=part_path,
            rules=SiteRules(**rules),
        ),
        on_bytes=on_bytes,
    )


def finish(
    server: Server,
    files: Mapping[str, bytes],
    done: str,
    *,
    delivery_id: str = DELIVERY,
    with_manifest: bool = False,
    **rules: Any,
) -> None:
    """Write the success file of contents that were sent."""
    sent = delivered(server, files)
    write_success_file(
        partial(connect, server.site(), proven=True),
        sent,
        UploadPlan(
            delivery_id=delivery_id,
            remote_folder=server.remote("inbox"),
            done_path=server.remote(f"inbox/{done}"),
            rules=SiteRules(**rules),
        ),
        content=manifest(sent, delivery_id=delivery_id, key_fingerprint="AB" * 20) if with_manifest else b"",
    )


def delivered(server: Server, files: Mapping[str, bytes]) -> list[DeliveredFile]:
    """Return the receipts of contents in the inbox."""
    return [
        DeliveredFile(
            name=name,
            remote_path=server.remote(f"inbox/{name}"),
            rows=content.count(b"\n"),
            bytes=len(content),
            sha256=digest(content),
        )
        for name, content in files.items()
    ]


def digest(content: bytes) -> str:
    """Return the SHA-256 of a content."""
    return hashlib.sha256(content).hexdigest()


def temporary(path: str, number: int, content: bytes) -> str:
    """Return the temporary path of a file of the delivery."""
    return temporary_path(path, DELIVERY, number, digest(content))
