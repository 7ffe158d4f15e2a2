"""What a site's folder holds, seen from its own side."""

from __future__ import annotations

from pathlib import Path


def contents(folder: Path, *, locks: bool = False) -> dict[str, bytes]:
    """
    Give all files of a folder by relative path, hidden ones included.

    :param folder: the folder
    :param locks: also the locks that await the .DONE, or a retry
    """
    files = (path for path in folder.rglob("*") if path.is_file() and (locks or path.suffix != ".lock"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
