"""The names of this project's own files at the site: temporary files and locks."""

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
    Return the hidden path beside the final one under which a file is sent.

    :param remote_path: the final path; its length does not matter for the temporary name
    :param number: the file's number in the delivery
    :param sha256: the digest of the content, so that two contents never mix under one name
    :param hidden: whether the name may begin with a dot
    """
    content = f"-{sha256[:16]}" if sha256 else ""
    return _beside(remote_path, f"persado-{delivery_id}-{number:07d}{content}.part", hidden=hidden)


def lock_path(remote_path: str, *, hidden: bool = True) -> str:
    """
    Return the path of the lock file that keeps two deliveries of one name apart.

    :param remote_path: the final path of a delivery's first file
    :param hidden: whether the name may begin with a dot
    """
    return _beside(remote_path, f"persado-{hashlib.sha256(remote_path.encode()).hexdigest()[:16]}.lock", hidden=hidden)


def replaced_path(temporary: str, remote_path: str) -> str:
    """
    Return the path to which an older file is moved until the new one has its name; the same in every try of a delivery.

    :param temporary: the new file's path, from :func:`temporary_path`
    :param remote_path: the final path
    """
    folder, name = posixpath.split(temporary)
    number = f"{0:07d}-{hashlib.sha256(remote_path.encode()).hexdigest()[:16]}"
    hidden = "." if name.startswith(".") else ""
    return posixpath.join(folder, f"{hidden}persado-{delivery_of(name)}-{number}{_REPLACED}")


def is_replaced(name: str) -> bool:
    """Return whether the name is that of an older file that was moved aside, perhaps the only copy."""
    return name.endswith(_REPLACED)


def is_ours(name: str) -> bool:
    """Return whether this module made the name."""
    return _OURS.fullmatch(name) is not None


def delivery_of(name: str) -> str | None:
    """Return the delivery in a temporary name; None for a lock and for any other name."""
    found = _OURS.fullmatch(name)
    return found["delivery"] if found else None


def _beside(remote_path: str, name: str, *, hidden: bool) -> str:
    return posixpath.join(posixpath.dirname(remote_path), f".{name}" if hidden else name)
