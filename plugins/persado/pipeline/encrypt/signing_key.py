"""An own private key that signs what is sent, tried before anything runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from persado.errors import ConfigurationError
from persado.pipeline.encrypt.home import GnuPGHome, gnupg_home
from persado.pipeline.encrypt.listing import add_keys
from persado.pipeline.encrypt.packets import read_material

# libgpg-error's codes in the low 16 bits of what gpg reports as FAILURE
_BAD_PASSPHRASE, _NO_PASSPHRASE, _NO_SECRET_KEY, _UNUSABLE_SECRET_KEY = 11, 177, 17, 54


@dataclass(frozen=True)
class SigningKey:
    """
    An own private key to sign with.

    :param material: armoured or binary.
    :param passphrase: what protects it, if anything does.
    :param name: the setting or file that it comes from, for errors.
    """

    material: str | bytes = field(repr=False)
    passphrase: str | None = field(default=None, repr=False)
    name: str = "signing_key"


def check_signing_key(signing: SigningKey) -> str:
    """
    Sign something with the key, so that a wrong passphrase shows before a delivery runs.

    :param signing: the key.
    :returns: the fingerprint of its primary key.
    :raises ConfigurationError: if it cannot sign.
    """
    with gnupg_home(agent=True) as home:
        return add_signing_key(home, signing)


def add_signing_key(home: GnuPGHome, signing: SigningKey) -> str:
    """
    Put the key into a home, and try it: gpg itself asks for the passphrase only after the last byte of the data.

    :param home: a home that may start an agent.
    :param signing: the key.
    :returns: the fingerprint of its primary key.
    :raises ConfigurationError: if it cannot sign.
    """
    passphrase = signing.passphrase or ""
    if re.search(r"[\r\n\0]", passphrase):
        raise ConfigurationError(
            f"{signing.name}: its passphrase goes over more than one line; gpg reads one. Set it without line breaks."
        )
    keys = add_keys(home, read_material(signing.material, signing.name), signing.name, secret=True)
    if len(keys) > 1:
        raise ConfigurationError(
            f"{signing.name}: it holds {len(keys)} private keys: {'; '.join(map(str, keys))}."
            " Expected one. Export only the one that signs (gpg --armor --export-secret-keys <fingerprint>)."
        )
    [key] = keys
    if fault := key.primary.fault(datetime.now(UTC)):
        raise ConfigurationError(f"{signing.name}: key {key} {fault}. Use a current key of your own.")
    keyring = home.keyring()
    signature = keyring.sign(
        b"",
        keyid=key.primary.fingerprint,
        passphrase=passphrase.encode().decode(keyring.encoding),  # python-gnupg turns it into the same bytes again
        detach=True,
    )
    if not signature:
        raise ConfigurationError(f"{signing.name}: key {key} {_why_not(signature.stderr)}")
    return key.primary.fingerprint


def _why_not(log: str) -> str:
    """Say why gpg did not sign, from what it logged."""
    failure = re.search(r"^\[GNUPG:\] FAILURE sign (\d+)", log, re.MULTILINE)
    code = int(failure[1]) & 0xFFFF if failure else 0
    if code == _BAD_PASSPHRASE:
        return "does not open with the passphrase that is set. Correct the passphrase."
    if code == _NO_PASSPHRASE:
        return "is protected by a passphrase, but none is set. Set it."
    if code in {_NO_SECRET_KEY, _UNUSABLE_SECRET_KEY}:
        return "has no usable signing key: none is there, or it is expired or revoked. Export a key that can sign."
    words = [line.removeprefix("gpg: ") for line in log.splitlines() if line.startswith("gpg: ")]
    return f"cannot sign; gpg says: {words[-1] if words else 'nothing'}. Try it with gpg --local-user."
