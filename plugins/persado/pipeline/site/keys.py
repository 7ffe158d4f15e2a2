"""Read SSH keys as people paste them: pinned host keys and private keys."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import struct
import textwrap
from contextlib import suppress

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from paramiko.hostkeys import HostKeys
from paramiko.pkey import UnknownKeyType

from persado.errors import ConfigurationError

_OTHER_FORMATS = {
    "PuTTY-User-Key-File": "it is in PuTTY format; export it in OpenSSH format with PuTTYgen (menu Conversions)",
    "PUBLIC KEY": "it is a public key; paste the private key that belongs to it",
    "PGP PRIVATE KEY": "it is an OpenPGP key; paste an SSH key",
    "CERTIFICATE": "it is a certificate; paste the private key",
}
_PRIVATE_KEYS: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


def fingerprint(key: paramiko.PKey) -> str:
    """Return a key's fingerprint as ``ssh-keygen -l`` prints it: ``SHA256:`` and unpadded base64."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")


def pinned_host_keys(text: str, known_as: str) -> list[paramiko.PKey]:
    r"""
    Read the host keys that are pinned for a site.

    :param text: one key per line: ``ssh-ed25519 AAAA...``, the base64 alone, or a line of ``known_hosts``, which is
        ignored if it is for another site. ``#`` begins a comment line; a literal ``\n`` ends a line as well
    :param known_as: the site's name in ``known_hosts``: ``host``, or ``[host]:port`` for a port other than 22
    :raises ConfigurationError: if a line is not a key, or if all lines are for other sites
    """
    keys: list[paramiko.PKey] = []
    others: list[str] = []
    for number, line in enumerate(text.replace("\\n", "\n").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        names, key = _host_key(line, number)
        if not names or _names_match(names, key, known_as):
            keys.append(key)
        else:
            others.append(names)
    if others and not keys:
        raise ConfigurationError(f"extra host_key: expected a key of {known_as}, got keys of {', '.join(others)} only")
    return keys


def _host_key(line: str, number: int) -> tuple[str, paramiko.PKey]:
    """Return the host names in a line, empty if there are none, and its key."""
    where = f"extra host_key, line {number}"
    words = line.split()
    if words[0].startswith("@"):
        raise ConfigurationError(f"{where}: {words[0]} is not supported; pin the site's own key")
    # A key begins with the length of its type's name, so its base64 begins with AAAA.
    position = next((at for at, word in enumerate(words[:3]) if word.startswith("AAAA")), 0)
    try:
        data = base64.b64decode(words[position], validate=True)
        (length,) = struct.unpack(">I", data[:4])
        key = paramiko.PKey.from_type_string(data[4 : 4 + length].decode(), data)
        whole = key.asbytes() == data
    # paramiko's parsers let many errors of the standard library through.
    except (ValueError, struct.error, IndexError, UnknownKeyType, paramiko.SSHException):
        whole = False
    if not whole:
        raise ConfigurationError(
            f"{where}: expected a public key such as 'ssh-ed25519 AAAA...' (Ed25519, ECDSA or RSA, whole and on one "
            "line), got something else"
        )
    names = words[0] if position > 1 else ""
    return names, key


def _names_match(names: str, key: paramiko.PKey, known_as: str) -> bool:
    known_hosts = HostKeys()
    for name in names.split(","):
        # Only hashed names, which begin with |, are case-sensitive.
        known_hosts.add(name if name.startswith("|") else name.lower(), key.get_name(), key)
    return known_hosts.check(known_as.lower(), key)


def read_private_key(text: str, passphrase: str | None) -> paramiko.PKey:
    r"""
    Read a private key in OpenSSH or PEM format, encrypted or not.

    Forms and environment variables may damage a pasted key: a literal ``\n`` in place of line ends, or no line ends at
    all. Both are repaired.

    :param passphrase: the pass phrase that the key is encrypted with
    :raises ConfigurationError: if it is not a key, or the pass phrase is wrong; the message never quotes the key
    """
    data = _with_line_ends(text).encode()
    load = load_ssh_private_key if b"OPENSSH" in data else load_pem_private_key
    try:
        key = load(data, passphrase.encode() if passphrase else None)
    except TypeError:
        problem = (
            "the extra private_key_passphrase is set, but this key has none: clear it"
            if passphrase
            else "it is encrypted: set the extra private_key_passphrase"
        )
    except (ValueError, UnsupportedAlgorithm) as error:
        # A wrong pass phrase causes a checksum error in OpenSSH format, and any error in PEM format.
        undecrypted = passphrase and (b"ENCRYPTED" in data or "checksum" in str(error))
        problem = (
            "it cannot be decrypted: the extra private_key_passphrase is wrong, or the key is damaged"
            if undecrypted
            else _identify(text)
        )
    else:
        for kind in _PRIVATE_KEYS:
            # The only public way from a key of cryptography to one of paramiko is text.
            with suppress(ValueError, UnsupportedAlgorithm, paramiko.SSHException):
                plain = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
                return kind.from_private_key(io.StringIO(plain.decode()))
        problem = "its type is not supported; use Ed25519, ECDSA or RSA"
    raise ConfigurationError(f"extra private_key: {problem}")


def _identify(text: str) -> str:
    if text.lstrip().startswith(("ssh-", "ecdsa-", "sk-")):
        text = "PUBLIC KEY"
    for mark, problem in _OTHER_FORMATS.items():
        if mark in text:
            return problem
    return "it is not a private key in OpenSSH or PEM format; paste all of it, with its BEGIN and END lines"


def _with_line_ends(text: str) -> str:
    text = text.replace("\\r", "").replace("\\n", "\n")
    parts = re.search(r"(-----BEGIN [A-Z0-9 ]+-----)(.*)(-----END [A-Z0-9 ]+-----)", text, re.DOTALL)
    if parts is None:
        return text
    head, body, tail = parts.groups()
    # The old encrypted format has headers ("DEK-Info: ..."), which need their line ends.
    lines = body.split("\n") if ":" in body else textwrap.wrap("".join(body.split()), 64)
    return "\n".join([head, *(line.strip() for line in lines), tail, ""])
