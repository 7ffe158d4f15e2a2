"""
The encodings, one row each: nothing else in the project asks what an encoding is.

A new encoding needs a row here, its writer, and its name in :data:`persado.settings.models.setting_values.Encoding`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from persado.pipeline.encode.archives import Container, Gzip, Single, Tar, Write
from persado.pipeline.encode.compress import Compression
from persado.pipeline.encode.zip_archive import Zip
from persado.settings.models.setting_values import Encoding


@dataclass(frozen=True, kw_only=True)
class Format:
    """
    What an encoding is.

    :param container: makes the writer; the last argument asks for zip's 64-bit fields
    :param extensions: the file extensions that it goes by
    :param compresses: whether encoding takes enough time to deserve a thread of its own
    :param holds_many: whether it is an archive, which holds any number of named members
    :param needs_sizes: whether a member's size must be known before its first byte is written
    """

    container: Callable[[Write, Compression, bool], Container]
    extensions: tuple[str, ...] = ()
    compresses: bool = False
    holds_many: bool = False
    needs_sizes: bool = False


FORMATS: Mapping[Encoding, Format] = {
    "none": Format(container=lambda write, _compression, _zip64: Single(write)),
    "gzip": Format(
        container=lambda write, compression, _zip64: Gzip(write, compression, Single),
        extensions=(".gz",),
        compresses=True,
    ),
    "zip": Format(
        container=lambda write, compression, zip64: Zip(write, compression, zip64=zip64),
        extensions=(".zip",),
        compresses=True,
        holds_many=True,
    ),
    "tar": Format(
        container=lambda write, _compression, _zip64: Tar(write),
        extensions=(".tar",),
        holds_many=True,
        needs_sizes=True,
    ),
    "tgz": Format(
        container=lambda write, compression, _zip64: Gzip(write, compression, Tar),
        extensions=(".tar.gz", ".tgz"),
        compresses=True,
        holds_many=True,
        needs_sizes=True,
    ),
}

# The longest first, so that .tar.gz goes as a whole.
_EXTENSIONS = sorted((extension for format_ in FORMATS.values() for extension in format_.extensions), key=len)[::-1]


def member_name(file_name: str, encoding: Encoding) -> str:
    """
    Return the name of an archive's only member: ``a/2026.csv.zip`` holds ``2026.csv``.

    The extension of any encoding is dropped, and ``.pgp`` before it. A name without such an extension stays as it is,
    and so does one that is nothing but an extension.

    :param file_name: the archive's name, which may hold sub-folders
    :param encoding: ``none`` is not an archive: only the sub-folders are dropped
    """
    name = file_name.rpartition("/")[2]
    if encoding == "none":
        return name
    for extensions in ([".pgp"], _EXTENSIONS):
        for extension in extensions:
            if name.lower().endswith(extension) and len(name) > len(extension):
                name = name[: -len(extension)]
                break
    return name
