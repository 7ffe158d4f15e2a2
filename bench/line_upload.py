"""Contender: this project's upload alone, of an existing file."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from functools import partial
from pathlib import Path

from bench.project import site_of_bench
from persado.pipeline.site.connect import connect
from persado.pipeline.upload.plan import UploadPlan
from persado.pipeline.upload.staged import Upload, upload


def main(path: str, inbox: str, port: str) -> None:
    """Upload the file and print how long it took."""
    file = Path(path)
    data = file.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    size = len(data)
    del data
    begin = time.perf_counter()
    upload(
        partial(connect, site_of_bench(port=int(port))),
        [Upload(f"{inbox}/uploaded", size, sha256, lambda: file.open("rb"))],
        UploadPlan(delivery_id="0123456789abcdef", remote_folder=inbox),
    )
    print(json.dumps({"seconds": time.perf_counter() - begin, "bytes": size}))


if __name__ == "__main__":
    main(*sys.argv[1:])
