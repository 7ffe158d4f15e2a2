"""The content of the lock file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from persado.errors import TransientError

LENGTH = 256


class TakenOverError(TransientError):
    """Another delivery, or another try of this one, has begun to write the same names."""


@dataclass(frozen=True)
class Holder:
    """
    The content of a lock file.

    :param delivery: the delivery that holds the lock; empty if the content is unreadable
    :param attempt: the try of the delivery
    :param placing: the :func:`files_digest` of its files, once it has begun to rename them
    :param placed: how many of them have their final names, if the try recorded the number
    :param given_up: whether the try has failed and the lock may be taken
    :param finishing: whether the success file was written and only had to be renamed
    """

    delivery: str = ""
    attempt: str = ""
    placing: str = ""
    placed: int | None = None
    given_up: bool = False
    finishing: bool = False

    @classmethod
    def parse(cls, text: bytes) -> Holder:
        """Parse the content; anything unreadable is the lock of an unknown delivery."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return cls()

    def serialize(self) -> bytes:
        """Serialize it, always to the same length, so that no reader sees a partial write."""
        return json.dumps(asdict(self)).ljust(LENGTH).encode()


def files_digest(files: Iterable[tuple[str, str]]) -> str:
    """
    Return a digest of a set of files.

    :param files: path and SHA-256 of each
    """
    return hashlib.sha256("\n".join(f"{sha256} {path}" for path, sha256 in files).encode()).hexdigest()[:32]
