"""The content of a site's folder."""

from __future__ import annotations

from pathlib import Path


def contents(folder: Path, *, locks: bool = False) -> dict[str, bytes]:
    """
    Return all files in a folder by relative path, including hidden ones.

    :param locks: include the locks, which stay until the .DONE or a retry
    """
    files = (path for path in folder.rglob("*") if path.is_file() and (locks or path.suffix != ".lock"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
