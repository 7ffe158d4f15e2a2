"""A receiver's public key is read in any form, and pinned to one subkey. Unusable keys are refused."""

import base64
import logging
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.files.openpgp import LONG_AGO, KeyMaker

from persado.errors import ConfigurationError
from persado.pipeline.encrypt.public_key import PublicKey, expiry_warning, read_public_key


def test_a_key_is_pinned_to_its_encryption_subkey(maker: KeyMaker, receiver: str) -> None:
    key = read_public_key(maker.public(receiver))
    assert [key.fingerprint, key.encryption_fingerprint] == maker.parts(receiver)
    assert key.user_ids == ("Receiver <receiver@example.com>",)
    assert key.expires is None
    assert "material" not in repr(key)


def in_binary(text: str) -> bytes:
    return base64.b64decode("".join(text.split("\n\n")[1].split("\n")[:-3]))


@pytest.mark.parametrize(
    "shape",
    [
        lambda text: text,
        lambda text: text.encode(),
        in_binary,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\\n"),
        lambda text: text.replace("\n", "\\r\\n"),
        lambda text: "\n".join("    " + line for line in text.split("\n")),
        lambda text: text.replace("\n", "  \n"),
        lambda text: text.replace("\n", " "),
        lambda text: text.replace("\n\n", "\n"),
        lambda text: text.replace("-----\n\n", "-----\nVersion: PGP 8.1: old\nComment:\n\n", 1),
        lambda text: "From the receiver, with thanks:\n\n" + text + "\n-- \nsee you",
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
    ],
)
def test_a_key_is_read_in_any_form(maker: KeyMaker, public_key: PublicKey, shape: Any) -> None:
    assert read_public_key(shape(maker.public(public_key.fingerprint))) == public_key


def test_a_user_id_in_any_script_loses_no_subkey(maker: KeyMaker) -> None:
    maker.gpg("--quick-generate-key", "充 Åsa: <scripts@example.com>", "ed25519", "sign", "never")
    primary = maker.parts("scripts@example.com")[0]
    subkey = maker.add(primary)
    key = read_public_key(maker.public(primary))
    assert key.user_ids == ("充 Åsa: <scripts@example.com>",)
    assert key.encryption_fingerprint == subkey


def test_a_primary_key_that_encrypts_is_used_only_without_a_subkey(maker: KeyMaker) -> None:
    primary = maker.make("Single", "rsa2048", "cert,sign,encr")
    assert read_public_key(maker.public(primary)).encryption_fingerprint == primary
    subkey = maker.add(primary, "rsa2048")
    assert read_public_key(maker.public(primary)).encryption_fingerprint == subkey
    assert read_public_key(maker.public(primary), fingerprint=primary).encryption_fingerprint == subkey


def test_a_fingerprint_chooses_among_keys_and_subkeys(maker: KeyMaker, receiver: str) -> None:
    rotating = maker.make("Rotating")
    first, second = maker.add(rotating, expire="1y"), maker.add(rotating)
    material = maker.public(receiver, rotating)
    spaced = " ".join([first[:20], first[20:]]).lower()
    assert read_public_key(material, fingerprint=spaced).encryption_fingerprint == first
    assert read_public_key(material, fingerprint=f"0x{second}").encryption_fingerprint == second
    key = read_public_key(material, fingerprint=receiver)
    assert key.fingerprint == receiver
    assert read_public_key(key.material) == key, "the material contains keys other than the pinned one"


def test_a_key_expires_when_its_first_part_expires(maker: KeyMaker) -> None:
    primary = maker.make("Aging", expire="2y")
    maker.add(primary, expire="10d")
    key = read_public_key(maker.public(primary))
    assert key.expires is not None
    assert timedelta(days=9) < key.expires - datetime.now(UTC) <= timedelta(days=10)
    assert expiry_warning(key, key.expires - timedelta(days=30, seconds=1)) is None
    warning = expiry_warning(key, key.expires - timedelta(days=30))
    assert warning is not None
    assert primary in warning
    assert "in 30 days" in warning
    assert "in 0 days" in str(expiry_warning(key, key.expires))
    assert expiry_warning(replace(key, expires=None), key.expires) is None
    later = key.expires + timedelta(days=1)
    with pytest.raises(ConfigurationError, match=r"no usable encryption subkey: [0-9A-F]{40} expired on 20\d\d-"):
        read_public_key(maker.public(primary), now=later)


def refusal(material: str | bytes, **more: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_public_key(material, name="keys/persado.asc", **more)
    assert str(caught.value).startswith("keys/persado.asc: ")
    return str(caught.value)


@pytest.mark.parametrize("material", ["", b"", "ssh-rsa AAAAB3Nza", b"\x00\x01", "dear all, the key is attached"])
def test_data_that_is_not_a_key_is_refused(material: str | bytes) -> None:
    assert "this is not OpenPGP data" in refusal(material)


def test_a_damaged_key_is_refused(maker: KeyMaker, receiver: str) -> None:
    armored = maker.public(receiver)
    assert "END line is missing" in refusal(armored[:-40])
    assert "damaged" in refusal(armored.replace("\n\n", "\n\n*", 1))
    assert "CRC error" in refusal(re.sub(r"\n=....\n", "\n=AAAA\n", armored))
    assert "gpg finds no usable public key in it" in refusal(maker.gpg("--export", receiver)[:-20])
    assert "gpg finds no usable public key" in refusal(b"\xff" * 100)
    assert "gpg finds no usable public key" in refusal(maker.gpg("--armor", "--detach-sign", "-u", receiver))


def relabelled(text: str) -> str:
    return text.replace("PRIVATE", "PUBLIC")


@pytest.mark.parametrize("shape", [str, in_binary, relabelled])
def test_a_private_key_is_refused_and_never_shown(
    maker: KeyMaker, receiver: str, shape: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    private = maker.private(receiver)
    message = refusal(shape(private))
    assert "PRIVATE key" in message
    rows = [row for row in private.split("\n") if len(row) == 64]
    assert not any(row[:20] in message + caplog.text for row in rows)
    assert in_binary(private)[:20].hex() not in caplog.text
    assert "gnupg" not in {record.name for record in caplog.records}


def test_several_keys_need_a_fingerprint(maker: KeyMaker, receiver: str, stranger: str) -> None:
    message = refusal(maker.public(receiver, stranger))
    assert "2 keys" in message
    assert receiver in message
    assert stranger in message


def test_a_wrong_fingerprint_is_refused(maker: KeyMaker, receiver: str) -> None:
    message = refusal(maker.public(receiver), fingerprint="A" * 40)
    assert "A" * 40 in message
    assert receiver in message
    assert "not a fingerprint" in refusal(maker.public(receiver), fingerprint=receiver[-16:])


def test_an_expired_key_is_refused(maker: KeyMaker) -> None:
    key = maker.make("Expired", expire="1y", at=LONG_AGO)
    maker.add(key, at=LONG_AGO)
    message = refusal(maker.public(key))
    assert f"{key} (Expired <expired@example.com>) expired on 2020-12-31 00:00 UTC" in message


def test_expired_and_revoked_subkeys_are_not_used(maker: KeyMaker) -> None:
    key = maker.make("Renewed", at=LONG_AGO)
    old, revoked = maker.add(key, expire="1y", at="20200102T000000"), maker.add(key)
    maker.edit(key, "key 2", "revkey", "y", "0", "", "y")
    message = refusal(maker.public(key))
    assert f"no usable encryption subkey: {old} expired on 2021-01-01 00:00 UTC, {revoked} is revoked" in message
    assert f"{old} expired on" in refusal(maker.public(key), fingerprint=old)
    new = maker.add(key)
    assert read_public_key(maker.public(key)).encryption_fingerprint == new


def test_a_revoked_key_is_refused(maker: KeyMaker) -> None:
    key = maker.make("Revoked")
    maker.add(key)
    certificate = (maker.home.path / "openpgp-revocs.d" / f"{key}.rev").read_bytes()
    maker.gpg("--import", data=certificate.replace(b":-----BEGIN", b"-----BEGIN"))
    assert f"{key} (Revoked <revoked@example.com>) is revoked" in refusal(maker.public(key))


def test_a_key_that_only_signs_is_refused(maker: KeyMaker, receiver: str) -> None:
    key = maker.make("Signer")
    subkey = maker.add(key, "ed25519", "sign")
    assert f"key {key} (Signer <signer@example.com>) can only sign or certify" in refusal(maker.public(key))
    maker.add(key)
    assert f"subkey {subkey} of key {key}" in refusal(maker.public(key), fingerprint=subkey)


def test_several_usable_subkeys_need_a_fingerprint(maker: KeyMaker) -> None:
    key = maker.make("Twofold")
    first, second = maker.add(key, expire="2y"), maker.add(key)
    message = refusal(maker.public(key))
    assert re.search(rf"{first} \(expires 20\d\d-\d\d-\d\d .*{second} \(does not expire\)", message)
    assert message == refusal(maker.public(key), fingerprint=key)


def test_a_key_created_in_the_future_is_refused(maker: KeyMaker) -> None:
    tomorrow = f"{datetime.now(UTC) + timedelta(days=2):%Y%m%dT%H%M%S}"
    maker.gpg("--quick-generate-key", "Future <future@example.com>", "ed25519", "sign", "never", at=tomorrow)
    assert "in the future" in refusal(maker.public("future@example.com"))


def test_a_key_without_a_user_id_is_refused(tmp_path: Path) -> None:
    private = tmp_path / "private.asc"
    subprocess.run(["sq", "key", "generate", "--export", private], check=True, capture_output=True)
    certificate = subprocess.run(["sq", "key", "extract-cert", private], check=True, capture_output=True).stdout
    assert "no user ID" in refusal(certificate)
