"""The names that only this project gives to files at the site: of files on their way, and of locks."""

from __future__ import annotations

import hashlib
import posixpath
import re

_REPLACED = "-replaced.part"
_OURS = re.compile(
    r"\.?persado-(?:(?P<delivery>[^/]+?)-\d{7}(?:-[0-9a-f]{16})?(?:-replaced)?\.part|[0-9a-f]{16}\.lock)"
)


def temporary_path(remote_path: str, delivery_id: str, number: int, sha256: str = "", *, hidden: bool = True) -> str:
    """
    Give the hidden name beside the final one under which a file arrives.

    :param remote_path: the final path; the temporary name is short, whatever that is
    :param delivery_id: the delivery
    :param number: the file's number in the delivery
    :param sha256: what the file holds, so that never two contents mix under one name
    :param hidden: whether it may begin with a dot
    """
    content = f"-{sha256[:16]}" if sha256 else ""
    return _beside(remote_path, f"persado-{delivery_id}-{number:07d}{content}.part", hidden=hidden)


def lock_path(remote_path: str, *, hidden: bool = True) -> str:
    """
    Give the path of the file that keeps two deliveries of one name apart.

    :param remote_path: the final path of a delivery's first file
    :param hidden: whether it may begin with a dot
    """
    return _beside(remote_path, f"persado-{hashlib.sha256(remote_path.encode()).hexdigest()[:16]}.lock", hidden=hidden)


def replaced_path(temporary: str, remote_path: str) -> str:
    """
    Give the path where an older file waits until the new one has its name; the same in every try of a delivery.

    :param temporary: where the new file is, by :func:`temporary_path`
    :param remote_path: the final path
    """
    folder, name = posixpath.split(temporary)
    number = f"{0:07d}-{hashlib.sha256(remote_path.encode()).hexdigest()[:16]}"
    hidden = "." if name.startswith(".") else ""
    return posixpath.join(folder, f"{hidden}persado-{delivery_of(name)}-{number}{_REPLACED}")


def is_replaced(name: str) -> bool:
    """Tell whether a name of ours is that of an older file which may be the only one."""
    return name.endswith(_REPLACED)


def is_ours(name: str) -> bool:
    """Tell whether a name is one that this module gives."""
    return _OURS.fullmatch(name) is not None


def delivery_of(name: str) -> str | None:
    """Give the delivery that a temporary name carries; None for a lock and for any other name."""
    found = _OURS.fullmatch(name)
    return found["delivery"] if found else None


def _beside(remote_path: str, name: str, *, hidden: bool) -> str:
    return posixpath.join(posixpath.dirname(remote_path), f".{name}" if hidden else name)
