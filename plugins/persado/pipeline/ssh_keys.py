"""Read SSH keys as people paste them: pinned host keys and private keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from paramiko.hostkeys import HostKeyEntry, HostKeys, InvalidHostKey

from persado.errors import ConfigurationError

_PRIVATE_KEYS: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


def fingerprint(key: paramiko.PKey) -> str:
    """Give a key's fingerprint as ``ssh-keygen -l`` prints it: ``SHA256:`` and unpadded base64."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")


def pinned_host_keys(text: str, known_as: str) -> list[paramiko.PKey]:
    """
    Read the keys by which a site is known.

    :param text: one key a line: ``ssh-ed25519 AAAA...``, the base64 alone, or a line of ``known_hosts``, of
        which only those for this site count; ``#`` begins a comment
    :param known_as: the site's name in ``known_hosts``: ``host``, or ``[host]:port`` for a port other than 22
    :raises ConfigurationError: for a line that is no key, and where every line is for another site
    """
    keys: list[paramiko.PKey] = []
    others: list[str] = []
    lines = [line.strip() for line in text.replace("\\n", "\n").splitlines()]
    for number, line in enumerate((line for line in lines if line and not line.startswith("#")), 1):
        entry = _host_key(line, number, known_as)
        if entry.key is None:
            continue
        names = HostKeys()
        for name in entry.hostnames or ():
            names.add(name, entry.key.get_name(), entry.key)
        if names.check(known_as, entry.key):
            keys.append(entry.key)
        else:
            others.extend(entry.hostnames or ())
    if others and not keys:
        raise ConfigurationError(f"extra host_key: expected a key of {known_as}, got keys of {', '.join(others)} only")
    return keys


def _host_key(line: str, number: int, known_as: str) -> HostKeyEntry:
    words = line.split()
    if words[0].startswith("AAAA"):
        words = [_key_type(words[0]), *words]
    if len(words) > 1 and words[1].startswith("AAAA"):
        words = [known_as, *words]
    try:
        entry = HostKeyEntry.from_line(" ".join(words[:3]))
    except (InvalidHostKey, paramiko.SSHException, ValueError, binascii.Error):
        entry = None
    if entry is None:
        raise ConfigurationError(
            f"extra host_key, line {number}: expected a public key such as 'ssh-ed25519 AAAA...', got something else"
        )
    return entry


def _key_type(data: str) -> str:
    """The kind of key stands in its data: a length of four bytes, then the name."""
    raw = base64.b64decode(data + "==", validate=False)
    return raw[4 : 4 + int.from_bytes(raw[:4], "big")].decode(errors="replace")


def read_private_key(text: str, passphrase: str | None) -> paramiko.PKey:
    r"""
    Read a private key in OpenSSH or PEM form, encrypted or not, also where it was pasted with literal ``\n``.

    :param text: the key
    :param passphrase: what it is encrypted with
    :raises ConfigurationError: for something else, or a wrong pass phrase; the message holds nothing of the key
    """
    data = (text.replace("\\n", "\n").replace("\r\n", "\n").strip() + "\n").encode()
    load = serialization.load_ssh_private_key if b"OPENSSH" in data else serialization.load_pem_private_key
    try:
        key = load(data, passphrase.encode() if passphrase else None)
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ).decode()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # cryptography's TypeError is about a pass phrase that is missing, or there where none is needed.
        about_passphrase = isinstance(error, TypeError) or "password" in str(error).lower()
        problem = (
            "the extra private_key_passphrase is missing, wrong, or set for a key that has none"
            if about_passphrase
            else "it is no private key in OpenSSH or PEM form (paste it whole, with its BEGIN and END lines)"
        )
    else:
        for kind in _PRIVATE_KEYS:
            try:
                return kind.from_private_key(io.StringIO(plain))
            except paramiko.SSHException:
                continue
        problem = "its kind is not supported; use Ed25519, ECDSA or RSA"
    raise ConfigurationError(f"extra private_key: {problem}")
