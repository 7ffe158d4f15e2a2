"""The sender's key signs, its passphrase is never shown, and a key that cannot sign is refused before any data."""

import io
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from support.files.openers import opened
from support.files.openpgp import CLEAR, LONG_AGO, PASSPHRASE, KeyMaker, encrypt, report, running

from persado.errors import ConfigurationError
from persado.pipeline.encrypt.encrypt import encrypted
from persado.pipeline.encrypt.public_key import PublicKey
from persado.pipeline.encrypt.signing_key import SigningKey, check_signing_key


def test_gpg_and_sequoia_verify_the_signature(
    maker: KeyMaker, sender: str, signing: SigningKey, public_key: PublicKey, tmp_path: Path
) -> None:
    assert check_signing_key(signing) == sender
    message = encrypt(public_key, signing=signing)
    reported = report(maker, message)
    assert f"[GNUPG:] VALIDSIG {sender} " in reported
    assert "[GNUPG:] GOODSIG " in reported
    certificate = tmp_path / "sender.asc"
    certificate.write_text(maker.public(sender))
    private = maker.private(public_key.fingerprint)
    assert opened("sq", private, message, tmp_path, "--signer-cert", str(certificate)) == CLEAR


def test_the_passphrase_is_never_shown(
    public_key: PublicKey, signing: SigningKey, temporary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with encrypted(io.BytesIO(), public_key, signing=signing) as clear:
        clear.write(CLEAR)
        shown = ""
        for pid, command in running(temporary).items():
            shown += " ".join(command) + Path(f"/proc/{pid}/environ").read_bytes().decode()
    assert "--passphrase-fd" in shown
    for text in (shown, caplog.text, repr(signing)):
        assert PASSPHRASE not in text
        assert str(signing.material)[100:160] not in text


@pytest.mark.parametrize(
    ("passphrase", "words"),
    [
        ("wrong", "cannot be unlocked with the passphrase that is set"),
        (None, "protected by a passphrase, but none is set"),
        ("", "protected by a passphrase, but none is set"),
        ("first line\nsecond", "more than one line"),
    ],
)
def test_a_wrong_passphrase_is_refused_before_the_first_byte(
    public_key: PublicKey, signing: SigningKey, passphrase: str | None, words: str
) -> None:
    sink = io.BytesIO()
    with (
        pytest.raises(ConfigurationError, match=words) as caught,
        encrypted(sink, public_key, signing=replace(signing, passphrase=passphrase)),
    ):
        pytest.fail("the block ran")
    assert sink.getvalue() == b""
    assert not passphrase or passphrase not in str(caught.value)


def test_keys_that_cannot_sign_are_refused(maker: KeyMaker, receiver: str, signing: SigningKey, sender: str) -> None:
    expired = maker.make("Outdated", expire="1y", at=LONG_AGO)
    certifier = maker.make("Certifier", usage="cert")
    maker.add(certifier)
    for material, words in {
        maker.public(receiver): "no usable private key",
        maker.private(receiver) + maker.private(certifier): "2 private keys",
        maker.private(expired): "expired on 2020-12-31",
        maker.private(certifier): "has no usable signing key",
    }.items():
        with pytest.raises(ConfigurationError, match=words) as caught:
            check_signing_key(SigningKey(material, name="Variable acme_signing_key"))
        assert str(caught.value).startswith("Variable acme_signing_key: ")
