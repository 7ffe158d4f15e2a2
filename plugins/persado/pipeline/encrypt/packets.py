"""Reading OpenPGP data: repair the armor of keys that users supply, and read packets."""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Iterator

from persado.errors import ConfigurationError

_BLOCK = re.compile(r"-----BEGIN PGP ([A-Z ]+)-----(.*?)-----END PGP \1-----", re.DOTALL)
_BASE64 = re.compile(r"(?P<data>[A-Za-z0-9+/]+={0,2}?)(?P<checksum>=[A-Za-z0-9+/]{4})?")
_PUBLIC_KEY_SESSION_KEY, _SECRET_KEY, _SECRET_SUBKEY = 1, 5, 7
# 20 is the packet that GnuPG 2.3 and later write for keys that announce support for it.
_PROTECTED_DATA = {18, 20}


def read_material(material: str | bytes, name: str) -> bytes:
    r"""
    Return OpenPGP data in a form that gpg reads: binary data unchanged, ASCII armor repaired.

    Forms, environment variables and editors damage armor: literal ``\n``, Windows line ends, indentation, a byte order
    mark, UTF-16, lost blank lines. gpg checks the checksum.

    :param material: the data as the user supplied it
    :param name: the name of the data in errors
    :raises ConfigurationError: if it is not OpenPGP data
    """
    if isinstance(material, bytes):
        if material.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            material = material.decode("utf-16", "replace")
        elif material.startswith(codecs.BOM_UTF8) or material[:1] < b"\x80":
            material = material.decode("utf-8-sig", "replace")
        else:  # the first byte of every packet has its highest bit set
            return material
    text = material.replace("\\r", "").replace("\\n", "\n")
    blocks = _BLOCK.findall(text)
    if not blocks:
        cut = " (it has a BEGIN line, but its END line is missing)" if "-----BEGIN PGP " in text else ""
        raise ConfigurationError(
            f"{name}: this is not OpenPGP data{cut}. Expected a block from -----BEGIN PGP …----- to"
            " -----END PGP …-----, or a binary key. Paste or export the whole key again."
        )
    return "".join(_repaired(kind, body, name) for kind, body in blocks).encode("ascii")


def is_private(material: bytes) -> bool:
    """
    Return whether OpenPGP data contains a private key, whatever its armor claims.

    :param material: the result of :func:`read_material`
    """
    blocks = material.split(b"-----END") if material.startswith(b"-----") else [material]
    tags = {tag for block in blocks for tag, _ in _packets(_binary(block))}
    return b"PRIVATE KEY BLOCK-----" in material or bool(tags & {_SECRET_KEY, _SECRET_SUBKEY})


def recipients(head: bytes) -> list[str] | None:
    """
    Return the key IDs that an integrity-protected message is encrypted to.

    :param head: the first megabyte of the message, armored or binary
    :return: the key IDs; empty if the data is something else, None if the head is too short to decide
    """
    key_ids: list[str] = []
    for tag, body in _packets(_binary(head)):
        if tag in _PROTECTED_DATA:
            return key_ids
        if tag != _PUBLIC_KEY_SESSION_KEY:
            return []
        key_ids.append(body[1:9].hex().upper())  # after one byte: the version
    return None if key_ids or head.startswith(b"-----BEGIN PGP MESSAGE-----") else []


def _binary(data: bytes) -> bytes:
    """Remove the armor, if any. A truncated or damaged end is dropped."""
    if b"-----BEGIN PGP " not in data[:64]:
        return data
    lines = data[data.index(b"-----BEGIN PGP ") :].split(b"\n")
    return base64.b64decode(b"".join(line for line in lines if len(line) % 4 == 0 and line[:1] not in b"=-"))


def _repaired(kind: str, body: str, name: str) -> str:
    """Return one armored block as gpg expects it, without its headers ("Version: …", "Comment: …")."""
    lines = (line.strip() for line in body.splitlines())
    match = _BASE64.fullmatch("".join(line.replace(" ", "") for line in lines if ":" not in line))
    if not match:
        raise ConfigurationError(
            f"{name}: the block BEGIN PGP {kind} is damaged: its content is not valid base64."
            " Paste or export the whole key again."
        )
    data = match["data"]
    rows = [data[start : start + 64] for start in range(0, len(data), 64)]
    rows += [match["checksum"]] if match["checksum"] else []
    return "\n".join([f"-----BEGIN PGP {kind}-----", "", *rows, f"-----END PGP {kind}-----", ""])


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and body of each packet (RFC 4880, 4.2). The body ends where the data or its first chunk ends."""
    at = 0
    while at + 1 < len(data) and data[at] & 0x80:
        first, length_byte = data[at], data[at + 1]
        if first & 0x40:
            tag = first & 0x3F
            if length_byte < 192:
                start, length = at + 2, length_byte
            elif length_byte < 224:
                start, length = at + 3, (length_byte - 192 << 8) + int.from_bytes(data[at + 2 : at + 3], "big") + 192
            elif length_byte == 255:
                start, length = at + 6, int.from_bytes(data[at + 2 : at + 6], "big")
            else:  # unknown length, in chunks: nothing after it is needed here
                start, length = at + 2, len(data)
        else:
            tag = first >> 2 & 0x0F
            size = 1 << (first & 3)
            start = at + 1 + (size if size < 8 else 0)
            length = int.from_bytes(data[at + 1 : start], "big") if size < 8 else len(data)
        yield tag, data[start : start + length]
        at = start + length
