"""The demo's PGP key pair: the public key is the destination's, the private key decrypts what arrived."""

from __future__ import annotations

from pathlib import Path

from demo.layout import Layout
from demo.private_file import write_private
from persado.pipeline.encrypt.home import gnupg_home

PARAMETERS = """
%no-protection
Key-Type: EDDSA
Key-Curve: ed25519
Key-Usage: sign
Subkey-Type: ECDH
Subkey-Curve: cv25519
Subkey-Usage: encrypt
Name-Real: Stand-in for Persado
Name-Email: stand-in@example.com
Expire-Date: 0
%commit
"""


def private_key_file(layout: Layout) -> Path:
    """The file with the private key."""
    return layout.secrets / "pgp_private.asc"


def public_key_file(layout: Layout) -> Path:
    """The file with the public key, which the destination names."""
    return layout.config / "keys" / "persado.asc"


def make_key_pair(layout: Layout) -> bool:
    """Generate the pair unless it exists; return whether it was generated."""
    if private_key_file(layout).is_file() and public_key_file(layout).is_file():
        return False
    with gnupg_home(agent=True) as home:
        keyring = home.keyring()
        key = keyring.gen_key(PARAMETERS)
        if not key.fingerprint:
            raise RuntimeError(f"gpg generated no key pair: {key.stderr}")
        private = keyring.export_keys(key.fingerprint, secret=True, expect_passphrase=False)
        public = keyring.export_keys(key.fingerprint)
    public_key_file(layout).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    public_key_file(layout).write_text(public, encoding="utf-8")
    write_private(private_key_file(layout), private)
    return True


def decrypt(layout: Layout, file: Path) -> bytes:
    """Decrypt a file with the private key."""
    with gnupg_home(agent=True) as home:
        keyring = home.keyring()
        keyring.import_keys(private_key_file(layout).read_text(encoding="utf-8"))
        decrypted = keyring.decrypt(file.read_bytes())
    if not decrypted.ok:
        raise ValueError(f"{file}: {decrypted.status}")
    return bytes(decrypted.data)
