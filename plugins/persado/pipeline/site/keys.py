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

_OTHER_THINGS = {
    "PuTTY-User-Key-File": "it is in PuTTY's own form; PuTTYgen exports it in OpenSSH form (menu Conversions)",
    "PUBLIC KEY": "it is a public key; the private one that belongs to it is needed",
    "PGP PRIVATE KEY": "it is an OpenPGP key; one for SSH is needed",
    "CERTIFICATE": "it is a certificate; the private key is needed",
}
_PRIVATE_KEYS: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


def fingerprint(key: paramiko.PKey) -> str:
    """Give a key's fingerprint as ``ssh-keygen -l`` prints it: ``SHA256:`` and unpadded base64."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")


def pinned_host_keys(text: str, known_as: str) -> list[paramiko.PKey]:
    r"""
    Read the keys by which a site is known.

    :param text: one key a line, each as ``ssh-ed25519 AAAA...``, as the base64 alone, or as a line of
        ``known_hosts``, of which only those for this site count; ``#`` begins a comment line, and a literal ``\n``
        ends a line as well
    :param known_as: the site's name in ``known_hosts``: ``host``, or ``[host]:port`` for a port other than 22
    :raises ConfigurationError: for a line that is no key, and where every line is for another site
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
    """Give the names that a line is for, empty where it names none, and its key."""
    where = f"extra host_key, line {number}"
    words = line.split()
    if words[0].startswith("@"):
        raise ConfigurationError(f"{where}: {words[0]} is not supported; pin the site's own key")
    # Every key's base64 begins so: with the length of its kind's name.
    position = next((at for at, word in enumerate(words[:3]) if word.startswith("AAAA")), 0)
    try:
        data = base64.b64decode(words[position], validate=True)
        (length,) = struct.unpack(">I", data[:4])
        key = paramiko.PKey.from_type_string(data[4 : 4 + length].decode(), data)
        whole = key.asbytes() == data
    # paramiko's parsers let all kinds of errors of the standard library through.
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
        # Only in a hashed name, which begins so, do capitals mean anything.
        known_hosts.add(name if name.startswith("|") else name.lower(), key.get_name(), key)
    return known_hosts.check(known_as.lower(), key)


def read_private_key(text: str, passphrase: str | None) -> paramiko.PKey:
    r"""
    Read a private key in OpenSSH or PEM form, encrypted or not.

    What forms and environment variables do to a pasted key is undone: a literal ``\n``, or no line ends at all.

    :param text: the key
    :param passphrase: what it is encrypted with
    :raises ConfigurationError: for something else, or a wrong pass phrase; the message holds nothing of the key
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
        # In OpenSSH's own form a wrong pass phrase shows as a broken checksum; in PEM it can show as anything.
        wrong = passphrase and (b"ENCRYPTED" in data or "checksum" in str(error))
        problem = "the extra private_key_passphrase is wrong" if wrong else _what_it_is_instead(text)
    else:
        for kind in _PRIVATE_KEYS:
            # paramiko has no public way from one of cryptography's keys to one of its own but text.
            with suppress(ValueError, UnsupportedAlgorithm, paramiko.SSHException):
                plain = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
                return kind.from_private_key(io.StringIO(plain.decode()))
        problem = "its kind is not supported; use Ed25519, ECDSA or RSA"
    raise ConfigurationError(f"extra private_key: {problem}")


def _what_it_is_instead(text: str) -> str:
    if text.lstrip().startswith(("ssh-", "ecdsa-", "sk-")):
        text = "PUBLIC KEY"
    for mark, problem in _OTHER_THINGS.items():
        if mark in text:
            return problem
    return "it is no private key in OpenSSH or PEM form (paste it whole, with its BEGIN and END lines)"


def _with_line_ends(text: str) -> str:
    text = text.replace("\\r", "").replace("\\n", "\n")
    parts = re.search(r"(-----BEGIN [A-Z0-9 ]+-----)(.*)(-----END [A-Z0-9 ]+-----)", text, re.DOTALL)
    if parts is None:
        return text
    head, body, tail = parts.groups()
    # The old encrypted form has headers ("DEK-Info: ...") which only their line ends tell apart.
    lines = body.split("\n") if ":" in body else textwrap.wrap("".join(body.split()), 64)
    return "\n".join([head, *(line.strip() for line in lines), tail, ""])
