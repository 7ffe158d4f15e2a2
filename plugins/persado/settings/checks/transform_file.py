"""Find the module of a transform."""

from __future__ import annotations

import os
from pathlib import Path


def module_folders(folder: Path) -> list[Path]:
    """
    Return the folders in which a transform's module may be, without duplicates.

    :param folder: the folder above the configuration folder, usually ``include``
    """
    return list(dict.fromkeys([folder, Path(os.environ.get("AIRFLOW_HOME") or ".") / "include"]))


def find_module(name: str, folder: Path) -> tuple[Path, Path] | None:
    """
    Find a transform's module.

    :param name: the module: ``my_transforms``, ``my_package.names``, or a package itself
    :param folder: see :func:`module_folders`
    :return: the file, and the folder from which it is imported
    """
    for base in module_folders(folder):
        path = base.joinpath(*name.split("."))
        for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if file.is_file():
                return file, base
    return None


def missing_module(name: str, folder: Path) -> str:
    """Return the message for a missing module."""
    return f"there is no file {name.replace('.', '/')}.py in {' or '.join(map(str, module_folders(folder)))}"
