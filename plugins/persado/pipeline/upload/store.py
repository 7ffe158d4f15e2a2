"""Store one file at the site outside of a delivery, as safely as a delivery does."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable
from typing import BinaryIO

from persado.pipeline.site.reconnect import Connect
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.staged import Upload, upload

BLOCK = 1 << 20


def store(connect: Connect, source: Callable[[], BinaryIO], remote_path: str) -> None:
    """
    Send a file. Under its final name there is always a complete file, the older one or this one.

    Sending the same content again after a failure continues from what has arrived.

    :param connect: opens a session; called again after a lost connection
    :param source: opens the file's bytes, from the beginning each time; must return a seekable file
    :param remote_path: the final path, in an existing folder
    :raises PersadoError: if it cannot be sent
    """
    digest, size = hashlib.sha256(), 0
    with source() as reader:
        while block := reader.read(BLOCK):
            digest.update(block)
            size += len(block)
    sha256 = digest.hexdigest()
    plan = UploadPlan(delivery_id=f"stored{sha256[:16]}", remote_folder=posixpath.dirname(remote_path) or ".")
    upload(connect, [Upload(remote_path, size, sha256, source)], plan)
