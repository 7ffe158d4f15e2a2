"""The receiver's public key, checked before anything runs and pinned to the one subkey that is encrypted to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from persado.errors import ConfigurationError
from persado.pipeline.encrypt.home import gnupg_home
from persado.pipeline.encrypt.listing import KeyPart, ListedKey, add_keys, day, named
from persado.pipeline.encrypt.packets import is_private, read_material

_WARN_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class PublicKey:
    """
    A public key that can be encrypted to, with the subkey that is used for it.

    :param fingerprint: of the primary key, 40 upper-case hex digits.
    :param encryption_fingerprint: of the subkey to encrypt to (of the primary key, where that encrypts itself).
    :param user_ids: whom the key names.
    :param expires: when the primary key or that subkey expires, whichever is first.
    :param material: this one key, binary.
    """

    fingerprint: str
    encryption_fingerprint: str
    user_ids: tuple[str, ...]
    expires: datetime | None
    material: bytes = field(repr=False)

    def __str__(self) -> str:
        """Name the key in a message."""
        return named(self.fingerprint, self.user_ids)


def read_public_key(
    material: str | bytes,
    *,
    fingerprint: str | None = None,
    name: str = "pgp_public_key",
    now: datetime | None = None,
) -> PublicKey:
    """
    Read a public key, refuse one that must not be used, and choose what to encrypt to.

    That is the one usable encryption subkey; without any, the primary key if it can encrypt itself, as gpg does.

    :param material: the key, armoured or binary; other keys beside it are left out.
    :param fingerprint: of the primary key or of the subkey to use; needed where the material leaves a choice.
    :param name: the setting or file that the key comes from, for errors.
    :param now: the moment at which it must not have expired; gpg asks the clock besides.
    :raises ConfigurationError: if the key is unusable or the choice unclear.
    """
    packets = read_material(material, name)
    if is_private(packets):
        raise ConfigurationError(
            f"{name}: this is a PRIVATE key; it was not imported. Expected the receiver's public key."
            " Take the private key out of the configuration at once, and give the export of the public one"
            " (gpg --armor --export <fingerprint>). If it is not your own, its owner must be told that it got out."
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
        material=cast("bytes", exported),  # text only where armoured
    )


def expiry_warning(key: PublicKey, now: datetime) -> str | None:
    """
    Return a warning if the key expires within 30 days.

    :param key: the key.
    :param now: the moment to count from.
    """
    if key.expires is None or key.expires - now > _WARN_BEFORE:
        return None
    return (
        f"The PGP key {key} expires on {day(key.expires)}, in {max((key.expires - now).days, 0)} days."
        " Deliveries fail from then on: ask the receiver for the next key now."
    )


def _whole_fingerprint(fingerprint: str, name: str) -> str:
    digits = re.sub(r"[\s:]", "", fingerprint).upper().removeprefix("0X")
    if not re.fullmatch(r"[0-9A-F]{40}", digits):
        raise ConfigurationError(
            f"{name}: {fingerprint!r} is no fingerprint. Expected 40 hex digits"
            " (gpg --show-keys --with-subkey-fingerprint <file>); a short key id can be forged."
        )
    return digits


def _pick_key(keys: Sequence[ListedKey], wanted: str | None, name: str) -> ListedKey:
    """Return the key that holds the wanted part, or the only one."""
    if wanted is None and len(keys) > 1:
        raise ConfigurationError(
            f"{name}: it holds {len(keys)} keys: {'; '.join(map(str, keys))}."
            " Expected one. Leave the others out, or set pgp_fingerprint to the one to encrypt to."
        )
    for key in keys:
        if wanted is None or wanted in {part.fingerprint for part in (key.primary, *key.subkeys)}:
            return key
    raise ConfigurationError(
        f"{name}: no key with the fingerprint {wanted} is in it, only {'; '.join(map(str, keys))}."
        " Compare the fingerprint with the receiver; use the right key or the right fingerprint."
    )


def _pick_part(key: ListedKey, wanted: str | None, name: str, now: datetime) -> KeyPart:
    """Return the subkey to encrypt to, or the primary key in its place."""
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
            " Set pgp_fingerprint to the one that the receiver wants."
        )
    if able:
        faults = ", ".join(f"{part.fingerprint} {part.fault(now)}" for part in able)
        raise ConfigurationError(
            f"{name}: key {key} has no usable encryption subkey: {faults}. Ask the receiver for a current key."
        )
    raise ConfigurationError(
        f"{name}: {f'subkey {only} of ' if only else ''}key {key} can sign or certify only, not encrypt."
        " Ask the receiver for a key with an encryption subkey, or set pgp_fingerprint to one that can."
    )
