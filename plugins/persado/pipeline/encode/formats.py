"""
The table of encodings. The rest of the project reads the properties of an encoding from here.

A new encoding needs a row here, a writer, and its name in :data:`persado.settings.models.setting_values.Encoding`.
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
    The properties of an encoding.

    :param container: creates the writer; the last argument selects zip's 64-bit fields
    :param extensions: its file extensions
    :param compresses: whether encoding takes enough time to deserve a separate thread
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

# Longest first, so that .tar.gz is removed as a whole.
_EXTENSIONS = sorted((extension for format_ in FORMATS.values() for extension in format_.extensions), key=len)[::-1]


def member_name(file_name: str, encoding: Encoding) -> str:
    """
    Return the name of an archive's only member: ``a/2026.csv.zip`` holds ``2026.csv``.

    Remove the folders, then ``.pgp``, then the extension of any encoding. A name without such an extension is not
    changed, nor is a name that consists of an extension only.

    :param file_name: the archive's name, which may include folders
    :param encoding: for ``none``, which is not an archive, only the folders are removed
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
