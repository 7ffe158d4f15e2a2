"""The sender's private key, which signs the files. It is tested before anything runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from persado.errors import ConfigurationError
from persado.pipeline.encrypt.home import GnuPGHome, gnupg_home
from persado.pipeline.encrypt.listing import add_keys
from persado.pipeline.encrypt.packets import read_material

# libgpg-error's codes, in the low 16 bits of gpg's status FAILURE
_BAD_PASSPHRASE, _NO_PASSPHRASE, _NO_SECRET_KEY, _UNUSABLE_SECRET_KEY = 11, 177, 17, 54


@dataclass(frozen=True)
class SigningKey:
    """
    The sender's private key.

    :param material: the key, armored or binary
    :param passphrase: its passphrase, if it has one
    :param name: the setting or file that it comes from, for errors
    """

    material: str | bytes = field(repr=False)
    passphrase: str | None = field(default=None, repr=False)
    name: str = "signing_key"


def check_signing_key(signing: SigningKey) -> str:
    """
    Sign with the key, so that a wrong passphrase is found before a delivery runs.

    :return: the fingerprint of its primary key
    :raises ConfigurationError: if it cannot sign
    """
    with gnupg_home(agent=True) as home:
        return add_signing_key(home, signing)


def add_signing_key(home: GnuPGHome, signing: SigningKey) -> str:
    """
    Import the key into a home, and sign with it. Otherwise gpg would use the passphrase only after all of the data.

    :param home: a home that may start an agent
    :return: the fingerprint of its primary key
    :raises ConfigurationError: if it cannot sign
    """
    passphrase = signing.passphrase or ""
    if re.search(r"[\r\n\0]", passphrase):
        raise ConfigurationError(
            f"{signing.name}: its passphrase has more than one line, but gpg reads one. Set it without line breaks."
        )
    keys = add_keys(home, read_material(signing.material, signing.name), signing.name, secret=True)
    if len(keys) > 1:
        raise ConfigurationError(
            f"{signing.name}: it contains {len(keys)} private keys: {'; '.join(map(str, keys))}."
            " Expected one. Export only the one that signs (gpg --armor --export-secret-keys <fingerprint>)."
        )
    [key] = keys
    if fault := key.primary.fault(datetime.now(UTC)):
        raise ConfigurationError(f"{signing.name}: key {key} {fault}. Use a current private key.")
    keyring = home.keyring()
    signature = keyring.sign(
        b"",
        keyid=key.primary.fingerprint,
        passphrase=passphrase.encode().decode(keyring.encoding),  # python-gnupg encodes it to the same bytes again
        detach=True,
    )
    if not signature:
        raise ConfigurationError(f"{signing.name}: key {key} {_signing_problem(signature.stderr)}")
    return key.primary.fingerprint


def _signing_problem(log: str) -> str:
    """Return why gpg did not sign, from its log."""
    failure = re.search(r"^\[GNUPG:\] FAILURE sign (\d+)", log, re.MULTILINE)
    code = int(failure[1]) & 0xFFFF if failure else 0
    if code == _BAD_PASSPHRASE:
        return "cannot be unlocked with the passphrase that is set. Correct the passphrase."
    if code == _NO_PASSPHRASE:
        return "is protected by a passphrase, but none is set. Set it."
    if code in {_NO_SECRET_KEY, _UNUSABLE_SECRET_KEY}:
        return "has no usable signing key: it is missing, expired or revoked. Export a key that can sign."
    words = [line.removeprefix("gpg: ") for line in log.splitlines() if line.startswith("gpg: ")]
    return f"cannot sign; gpg reported: {words[-1] if words else 'nothing'}. Try it with gpg --local-user."
