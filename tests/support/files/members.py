"""Contents to encode as files and archives, and functions to decode them with Python's libraries."""

import gzip
import io
import random
import tarfile
import zipfile
from typing import IO, BinaryIO, cast

from persado.pipeline.encode.encode import encoded
from persado.settings.models.setting_values import Encoding

GIB = 1 << 30
ARCHIVES: list[Encoding] = ["zip", "tar", "tgz"]
MEMBERS = {
    "2026.csv": b"Hashed_Email,gender\r\n" + b"d41d8cd98f00b204e9800998ecf8427e,\xc3\xa9\r\n" * 5000,
    "noise.bin": random.Random(1).randbytes(300_000),
    "empty.csv": b"",
    "x" * 200 + ".csv": b"a long name",
    "Übersicht 週 🙂.csv": b"no ASCII name",
}


def encode(encoding: Encoding, members: dict[str, bytes], *, step: int = 65536, zip64: bool = False) -> bytes:
    sink = io.BytesIO()
    write(sink, encoding, members, step=step, zip64=zip64)
    return sink.getvalue()


def write(
    sink: BinaryIO, encoding: Encoding, members: dict[str, bytes], *, step: int = 65536, zip64: bool = False
) -> None:
    with encoded(sink, encoding, zip64=zip64) as encoder:
        for name, content in members.items():
            with encoder.member(name, len(content)) as member:
                for start in range(0, len(content), step):
                    member.write(content[start : start + step])


def decode(done: bytes, encoding: Encoding) -> dict[str, bytes]:
    """Decode with Python; without an archive, the member is named "a"."""
    if encoding == "none":
        return {"a": done}
    if encoding == "gzip":
        return {"a": gzip.decompress(done)}
    if encoding == "zip":
        with zipfile.ZipFile(io.BytesIO(done)) as archive:
            assert archive.testzip() is None
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(fileobj=io.BytesIO(done), mode="r:gz" if encoding == "tgz" else "r:") as archive:
        return {info.name: cast("IO[bytes]", archive.extractfile(info)).read() for info in archive}
