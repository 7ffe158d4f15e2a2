"""What the lock file says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

LENGTH = 256


@dataclass(frozen=True)
class Holder:
    """
    What stands in a lock file.

    :param delivery: the delivery that holds it; empty where that cannot be read
    :param attempt: which try of the delivery
    :param placing: what its files are, by :func:`files_digest`, once it has begun to give final names
    :param placed: how many of them have theirs, where the try lived to say so
    :param given_up: whether the try has failed and the lock may be taken
    :param finishing: whether the success file was written, and only its final name was still to come
    """

    delivery: str = ""
    attempt: str = ""
    placing: str = ""
    placed: int | None = None
    given_up: bool = False
    finishing: bool = False

    @classmethod
    def read(cls, text: bytes) -> Holder:
        """Read it; what is no lock of ours is somebody's all the same."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return cls()

    def write(self) -> bytes:
        """Write it, always in the same length, so that no reader ever sees half of it."""
        return json.dumps(asdict(self)).ljust(LENGTH).encode()


def files_digest(files: Iterable[tuple[str, str]]) -> str:
    """
    Tell one set of files from any other.

    :param files: path and SHA-256 of each
    """
    return hashlib.sha256("\n".join(f"{sha256} {path}" for path, sha256 in files).encode()).hexdigest()[:32]
