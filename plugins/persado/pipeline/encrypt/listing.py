"""The keys in a GnuPG home as gpg lists them, read with python-gnupg."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from persado.errors import ConfigurationError
from persado.pipeline.encrypt.home import GnuPGHome

_FAULTS = {"r": "is revoked", "d": "is disabled", "i": "is invalid (its self-signature does not verify)"}
_CHATTER = re.compile(r"keybox|trustdb|no gpg-agent|Total number|imported|w/o user IDs")


@dataclass(frozen=True)
class KeyPart:
    """
    A primary key or a subkey.

    :param fingerprint: 40 upper-case hex digits
    :param validity: gpg's letter for its validity
    :param capabilities: gpg's letters: e(ncrypt), s(ign), c(ertify); upper-case letters refer to the key as a whole
    :param expires: when it expires; None if it does not
    """

    fingerprint: str
    validity: str
    capabilities: str
    expires: datetime | None

    def __str__(self) -> str:
        """Return the fingerprint with the expiry date."""
        return f"{self.fingerprint} ({f'expires {day(self.expires)}' if self.expires else 'does not expire'})"

    def fault(self, now: datetime) -> str | None:
        """
        Return why the part must not be used; None if it may be.

        :param now: the time at which it must not have expired
        """
        if self.expires and (self.validity == "e" or self.expires <= now):
            return f"expired on {day(self.expires)}"
        return _FAULTS.get("d" if "D" in self.capabilities else self.validity)


@dataclass(frozen=True)
class ListedKey:
    """A primary key with its subkeys and user IDs."""

    primary: KeyPart
    subkeys: tuple[KeyPart, ...]
    user_ids: tuple[str, ...]

    def __str__(self) -> str:
        """Return the fingerprint with the first user ID."""
        return key_label(self.primary.fingerprint, self.user_ids)


def add_keys(home: GnuPGHome, packets: bytes, name: str, *, secret: bool = False) -> list[ListedKey]:
    """
    Import keys into a home, and return the keys of the home.

    :param packets: OpenPGP data that gpg can read
    :param name: the name of the data in errors
    :param secret: return the private keys of the home, not the public ones
    :raises ConfigurationError: if gpg finds no key, or part of the data is damaged
    """
    keyring = home.keyring()
    imported = keyring.import_keys(packets)
    keys = [_listed(found, keyring.encoding) for found in keyring.list_keys(secret=secret)]
    if imported.returncode == 0 and keys:
        return keys
    lines = [line for line in imported.stderr.splitlines() if line.startswith("gpg: ") and not _CHATTER.search(line)]
    reason = f" It reported: {'; '.join(line.removeprefix('gpg: ') for line in lines[-3:])}." if lines else ""
    raise ConfigurationError(
        f"{name}: gpg finds no usable {'private' if secret else 'public'} key in it.{reason}"
        " Expected one complete OpenPGP key with a user ID. Export it again."
    )


def key_label(fingerprint: str, user_ids: tuple[str, ...]) -> str:
    """Return the fingerprint of a primary key with its first user ID, for messages."""
    return f"{fingerprint} ({user_ids[0]})" if user_ids else fingerprint


def day(moment: datetime) -> str:
    """Format a UTC time for messages."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _listed(found: dict[str, Any], encoding: str) -> ListedKey:
    subkeys = tuple(_part(info) for info in found.get("subkey_info", {}).values())
    user_ids = tuple(text.encode(encoding).decode("utf-8", "replace") for text in found["uids"])
    return ListedKey(_part(found), subkeys, user_ids)


def _part(found: dict[str, Any]) -> KeyPart:
    expires = datetime.fromtimestamp(int(found["expires"]), UTC) if found["expires"] else None
    return KeyPart(found["fingerprint"], found["trust"], found["cap"], expires)
