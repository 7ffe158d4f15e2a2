"""The receiver's public key: checked before anything runs, and pinned to the subkey to encrypt to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from persado.errors import ConfigurationError
from persado.pipeline.encrypt.home import gnupg_home
from persado.pipeline.encrypt.listing import KeyPart, ListedKey, add_keys, day, key_label
from persado.pipeline.encrypt.packets import is_private, read_material

_WARN_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class PublicKey:
    """
    A public key to encrypt to, with the subkey that is used.

    :param fingerprint: of the primary key, 40 upper-case hex digits
    :param encryption_fingerprint: of the subkey to encrypt to, or of the primary key if that encrypts
    :param user_ids: the key's user IDs
    :param expires: when the primary key or that subkey expires, whichever is first
    :param material: this one key, binary
    """

    fingerprint: str
    encryption_fingerprint: str
    user_ids: tuple[str, ...]
    expires: datetime | None
    material: bytes = field(repr=False)

    def __str__(self) -> str:
        """Return the fingerprint with the first user ID."""
        return key_label(self.fingerprint, self.user_ids)


def read_public_key(
    material: str | bytes,
    *,
    fingerprint: str | None = None,
    name: str = "pgp_public_key",
    now: datetime | None = None,
) -> PublicKey:
    """
    Read a public key, refuse one that must not be used, and choose the subkey to encrypt to.

    The choice is the only usable encryption subkey. If there is none, the primary key is used if it can encrypt, as gpg
    does.

    :param material: the key, armored or binary; may include other keys, which are dropped
    :param fingerprint: of the primary key or of the subkey to use; required if the material leaves a choice
    :param name: the setting or file that the key comes from, for errors
    :param now: the time at which it must not have expired; gpg also checks against the clock
    :raises ConfigurationError: if the key is unusable or the choice is ambiguous
    """
    packets = read_material(material, name)
    if is_private(packets):
        raise ConfigurationError(
            f"{name}: this is a PRIVATE key; it was not imported. Expected the receiver's public key."
            " Remove the private key from the configuration at once, and use the export of the public key instead"
            " (gpg --armor --export <fingerprint>). If it is not yours, inform its owner that it was exposed."
        )
    wanted = _whole_fingerprint(fingerprint, name) if fingerprint else None
    moment = now or datetime.now(UTC)
    with gnupg_home() as home:
        key = _pick_key(add_keys(home, packets, name), wanted, name)
        chosen = _pick_part(key, wanted, name, moment)
        exported = home.keyring().export_keys(key.primary.fingerprint, armor=False, minimal=True)
    return PublicKey(
        fingerprint=key.primary.fingerprint,
        encryption_fingerprint=chosen.fingerprint,
        user_ids=key.user_ids,
        expires=min((part.expires for part in (key.primary, chosen) if part.expires), default=None),
        material=cast("bytes", exported),  # text only if armored
    )


def expiry_warning(key: PublicKey, now: datetime) -> str | None:
    """Return a warning if the key expires within 30 days."""
    if key.expires is None or key.expires - now > _WARN_BEFORE:
        return None
    return (
        f"The PGP key {key} expires on {day(key.expires)}, in {max((key.expires - now).days, 0)} days."
        " Deliveries fail from then on. Ask the receiver for the next key now."
    )


def _whole_fingerprint(fingerprint: str, name: str) -> str:
    digits = re.sub(r"[\s:]", "", fingerprint).upper().removeprefix("0X")
    if not re.fullmatch(r"[0-9A-F]{40}", digits):
        raise ConfigurationError(
            f"{name}: {fingerprint!r} is not a fingerprint. Expected 40 hex digits"
            " (gpg --show-keys --with-subkey-fingerprint <file>); a short key ID can be forged."
        )
    return digits


def _pick_key(keys: Sequence[ListedKey], wanted: str | None, name: str) -> ListedKey:
    """Return the key that contains the wanted part, or the only key."""
    if wanted is None and len(keys) > 1:
        raise ConfigurationError(
            f"{name}: it contains {len(keys)} keys: {'; '.join(map(str, keys))}."
            " Expected one. Remove the others, or set pgp_fingerprint to the one to encrypt to."
        )
    for key in keys:
        if wanted is None or wanted in {part.fingerprint for part in (key.primary, *key.subkeys)}:
            return key
    raise ConfigurationError(
        f"{name}: it contains no key with the fingerprint {wanted}, only {'; '.join(map(str, keys))}."
        " Compare the fingerprint with the receiver, and use the right key or the right fingerprint."
    )


def _pick_part(key: ListedKey, wanted: str | None, name: str, now: datetime) -> KeyPart:
    """Return the subkey to encrypt to, or the primary key instead."""
    if fault := key.primary.fault(now):
        raise ConfigurationError(f"{name}: key {key} {fault}. Ask the receiver for a current key.")
    only = wanted if wanted != key.primary.fingerprint else None
    able = [part for part in key.subkeys if "e" in part.capabilities and only in {None, part.fingerprint}]
    usable = [part for part in able if not part.fault(now)]
    if not usable and not only and "e" in key.primary.capabilities:
        return key.primary
    if len(usable) == 1:
        return usable[0]
    if usable:
        raise ConfigurationError(
            f"{name}: key {key} has {len(usable)} usable encryption subkeys: {', '.join(map(str, usable))}."
            " Set pgp_fingerprint to the one that the receiver expects."
        )
    if able:
        faults = ", ".join(f"{part.fingerprint} {part.fault(now)}" for part in able)
        raise ConfigurationError(
            f"{name}: key {key} has no usable encryption subkey: {faults}. Ask the receiver for a current key."
        )
    raise ConfigurationError(
        f"{name}: {f'subkey {only} of ' if only else ''}key {key} can only sign or certify, not encrypt."
        " Ask the receiver for a key with an encryption subkey, or set pgp_fingerprint to one that can."
    )
