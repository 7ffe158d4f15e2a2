"""Keys made on the spot by gpg; what is encrypted is opened by gpg, Sequoia and RNP."""

import base64
import contextlib
import io
import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.files.openers import opened

from persado.errors import ConfigurationError, PersadoError, RejectedError, TransientError
from persado.pipeline.encrypt.encrypt import encrypted
from persado.pipeline.encrypt.home import GnuPGHome, gnupg_home
from persado.pipeline.encrypt.public_key import PublicKey, expiry_warning, read_public_key
from persado.pipeline.encrypt.signing_key import SigningKey, check_signing_key

PASSPHRASE = "pass phrase with $ and €"
CLEAR = "Hashed_Email,name\n0cc175b9c0f1b6a831c399e269772661,Ægir\n".encode() * 1000
LONG_AGO = "20200101T000000"


class KeyMaker:
    """A GnuPG home of the receiver's (or the sender's), where keys are made and messages opened."""

    def __init__(self, home: GnuPGHome) -> None:
        self.home = home

    def gpg(self, *arguments: str, data: bytes = b"", at: str | None = None, passphrase: str = "") -> bytes:
        clock = ["--faked-system-time", at] if at else []
        command = self.home.command(*clock, "--pinentry-mode", "loopback", "--passphrase", passphrase, *arguments)
        return subprocess.run(command, env=self.home.environment, input=data, capture_output=True, check=True).stdout

    def make(self, name: str, kind: str = "ed25519", usage: str = "sign", expire: str = "never", **more: Any) -> str:
        self.gpg("--quick-generate-key", f"{name} <{name.lower()}@example.com>", kind, usage, expire, **more)
        return self.parts(f"<{name.lower()}@example.com>")[0]

    def add(self, key: str, kind: str = "cv25519", usage: str = "encrypt", expire: str = "never", **more: Any) -> str:
        self.gpg("--quick-add-key", key, kind, usage, expire, **more)
        return self.parts(key)[-1]

    def parts(self, key: str) -> list[str]:
        listed = self.gpg("--with-colons", "--list-keys", key).decode()
        return re.findall(r"^fpr:+([0-9A-F]{40}):", listed, re.MULTILINE)

    def public(self, *keys: str) -> str:
        return self.gpg("--armor", "--export", *keys).decode()

    def private(self, *keys: str, passphrase: str = "") -> str:
        return self.gpg("--armor", "--export-secret-keys", *keys, passphrase=passphrase).decode()

    def edit(self, key: str, *commands: str) -> None:
        script = "\n".join([*commands, "save", ""]).encode()
        self.gpg("--yes", "--command-fd", "0", "--expert", "--edit-key", key, data=script)


@pytest.fixture(scope="module")
def maker() -> Iterator[KeyMaker]:
    with gnupg_home(agent=True) as home:
        yield KeyMaker(home)


@pytest.fixture(scope="module")
def receiver(maker: KeyMaker) -> str:
    key = maker.make("Receiver")
    maker.add(key)
    return key


@pytest.fixture(scope="module")
def stranger(maker: KeyMaker) -> str:
    key = maker.make("Stranger")
    maker.add(key)
    return key


@pytest.fixture(scope="module")
def public_key(maker: KeyMaker, receiver: str) -> PublicKey:
    return read_public_key(maker.public(receiver))


@pytest.fixture(scope="module")
def sender(maker: KeyMaker) -> str:
    return maker.make("Sender", passphrase=PASSPHRASE)


@pytest.fixture(scope="module")
def signing(maker: KeyMaker, sender: str) -> SigningKey:
    return SigningKey(maker.private(sender, passphrase=PASSPHRASE), PASSPHRASE)


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every test, however it ends, leaves no file and no process of GnuPG behind."""
    tmp_path_factory.getbasetemp()  # made now, outside of the folder
    with tempfile.TemporaryDirectory(prefix="pgp-", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)
        assert list(Path(folder).iterdir()) == []
        for _ in range(100):  # an agent that was told to end needs a moment
            if not running(folder):
                break
            time.sleep(0.05)
        assert running(folder) == {}


def running(folder: str | Path) -> dict[int, list[str]]:
    """The processes whose command line names the folder."""
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                command = (process / "cmdline").read_bytes()
            except OSError:  # it has just ended
                continue
            if str(folder).encode() in command:
                found[int(process.name)] = command.decode().split("\0")[:-1]
    return found


# --- reading a public key ---


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
def test_a_key_is_read_in_the_shape_in_which_it_arrives(maker: KeyMaker, public_key: PublicKey, shape: Any) -> None:
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
    assert read_public_key(key.material) == key, "the material holds other keys than the pinned one"


def test_it_expires_when_its_first_part_does(maker: KeyMaker) -> None:
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
def test_what_is_no_key_is_refused(material: str | bytes) -> None:
    assert "no OpenPGP data" in refusal(material)


def test_a_damaged_key_is_refused(maker: KeyMaker, receiver: str) -> None:
    armored = maker.public(receiver)
    assert "END line is missing" in refusal(armored[:-40])
    assert "damaged" in refusal(armored.replace("\n\n", "\n\n*", 1))
    assert "CRC error" in refusal(re.sub(r"\n=....\n", "\n=AAAA\n", armored))
    assert "no public key in it that it can use" in refusal(maker.gpg("--export", receiver)[:-20])
    assert "gpg finds no public key" in refusal(b"\xff" * 100)
    assert "gpg finds no public key" in refusal(maker.gpg("--armor", "--detach-sign", "-u", receiver))


def relabelled(text: str) -> str:
    return text.replace("PRIVATE", "PUBLIC")


@pytest.mark.parametrize("shape", [str, in_binary, relabelled])
def test_a_private_key_is_refused_and_shown_nowhere(
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


def test_a_fingerprint_that_is_wrong_is_refused(maker: KeyMaker, receiver: str) -> None:
    message = refusal(maker.public(receiver), fingerprint="A" * 40)
    assert "A" * 40 in message
    assert receiver in message
    assert "no fingerprint" in refusal(maker.public(receiver), fingerprint=receiver[-16:])


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
    assert f"key {key} (Signer <signer@example.com>) can sign or certify only" in refusal(maker.public(key))
    maker.add(key)
    assert f"subkey {subkey} of key {key}" in refusal(maker.public(key), fingerprint=subkey)


def test_a_choice_of_subkeys_is_refused(maker: KeyMaker) -> None:
    key = maker.make("Twofold")
    first, second = maker.add(key, expire="2y"), maker.add(key)
    message = refusal(maker.public(key))
    assert re.search(rf"{first} \(expires 20\d\d-\d\d-\d\d .*{second} \(does not expire\)", message)
    assert message == refusal(maker.public(key), fingerprint=key)


def test_a_key_of_the_future_is_refused(maker: KeyMaker) -> None:
    tomorrow = f"{datetime.now(UTC) + timedelta(days=2):%Y%m%dT%H%M%S}"
    maker.gpg("--quick-generate-key", "Future <future@example.com>", "ed25519", "sign", "never", at=tomorrow)
    assert "in the future" in refusal(maker.public("future@example.com"))


def test_a_key_without_a_user_id_is_refused(tmp_path: Path) -> None:
    private = tmp_path / "private.asc"
    subprocess.run(["sq", "key", "generate", "--export", private], check=True, capture_output=True)
    certificate = subprocess.run(["sq", "key", "extract-cert", private], check=True, capture_output=True).stdout
    assert "no user ID" in refusal(certificate)


def test_without_gpg_it_says_what_to_install(
    tmp_path: Path, maker: KeyMaker, receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    armored = maker.public(receiver)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="Debian package gnupg"):
        read_public_key(armored)


# --- encrypting ---


def encrypt(key: PublicKey, data: bytes = CLEAR, **more: Any) -> bytes:
    sink = io.BytesIO()
    with encrypted(sink, key, **more) as clear:
        clear.write(data)
    assert not sink.closed
    return sink.getvalue()


@pytest.fixture(scope="module", params=["rsa3072", "cv25519", "nistp256"])
def any_receiver(request: pytest.FixtureRequest, maker: KeyMaker) -> str:
    main = {"rsa3072": "rsa3072", "cv25519": "ed25519", "nistp256": "nistp256"}[request.param]
    key = maker.make(f"Any-{request.param}", main)
    maker.add(key, request.param)
    return key


@pytest.mark.parametrize("armor", [False, True])
def test_gpg_sequoia_and_rnp_open_it_and_notice_damage(
    maker: KeyMaker, any_receiver: str, armor: bool, tmp_path: Path
) -> None:
    message = encrypt(read_public_key(maker.public(any_receiver)), armor=armor)
    assert message.startswith(b"-----BEGIN PGP MESSAGE-----") is armor
    assert maker.gpg("--decrypt", data=message) == CLEAR
    private = maker.private(any_receiver)
    for program in ("sq", "rnp"):
        assert opened(program, private, message, tmp_path) == CLEAR
    if not armor:
        damaged = message[:-3] + bytes([message[-3] ^ 1]) + message[-2:]
        with pytest.raises(subprocess.CalledProcessError):
            maker.gpg("--decrypt", data=damaged)
        for program in ("sq", "rnp"):
            with pytest.raises(subprocess.CalledProcessError):
                opened(program, private, damaged, tmp_path)


def test_nothing_but_the_data_is_in_the_message(maker: KeyMaker, public_key: PublicKey) -> None:
    packets = maker.gpg("--list-packets", "--verbose", data=encrypt(public_key)).decode()
    assert re.findall(r"pubkey enc packet: .* keyid (\w+)", packets) == [public_key.encryption_fingerprint[-16:]]
    assert 'name=""' in packets
    assert "mdc_method: 2" in packets
    assert "compressed" not in packets
    assert "[GNUPG:] DECRYPTION_INFO 2 9 " in report(maker, encrypt(public_key)), "not AES-256 with its MDC"


def test_an_old_key_gets_modern_algorithms(maker: KeyMaker, sender: str, signing: SigningKey, tmp_path: Path) -> None:
    primary = maker.make("Old", "rsa2048")
    maker.add(primary, "rsa2048")
    maker.edit(primary, "setpref 3DES SHA1", "y")
    message = encrypt(read_public_key(maker.public(primary)), signing=signing)
    reported = report(maker, message)
    assert "[GNUPG:] DECRYPTION_INFO 2 9 " in reported
    assert re.search(rf"VALIDSIG {sender} \S+ \d+ 0 4 0 22 10 ", reported), "not SHA-512"
    assert opened("rnp", maker.private(primary), message, tmp_path) == CLEAR


def report(maker: KeyMaker, message: bytes) -> str:
    command = maker.home.command("--decrypt")
    return subprocess.run(
        command, env=maker.home.environment, input=message, capture_output=True, check=True
    ).stderr.decode()


def test_it_goes_to_the_pinned_subkey_and_no_newer_one(maker: KeyMaker) -> None:
    primary = maker.make("Pinned")
    subkeys = [maker.add(primary), maker.add(primary)]
    for subkey in subkeys:
        key = read_public_key(maker.public(primary), fingerprint=subkey)
        assert f"[GNUPG:] ENC_TO {subkey[-16:]} " in report(maker, encrypt(key))


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
@pytest.mark.parametrize("armor", [False, True])
def test_any_size_goes(maker: KeyMaker, public_key: PublicKey, size: int, armor: bool) -> None:
    data = os.urandom(size)
    assert maker.gpg("--decrypt", data=encrypt(public_key, data, armor=armor)) == data


def test_a_wrapper_may_close_the_file_and_a_sink_may_take_little(maker: KeyMaker, public_key: PublicKey) -> None:
    class Slow(io.RawIOBase):
        got = b""

        def write(self, data: Any, /) -> int:
            self.got += bytes(data[:1000])
            return min(len(data), 1000)

    sink = Slow()
    with encrypted(sink, public_key) as clear, io.TextIOWrapper(clear, "utf-8") as text:
        text.write(CLEAR.decode())
    assert maker.gpg("--decrypt", data=sink.got) == CLEAR


def test_memory_stays_flat_over_50_megabytes(public_key: PublicKey) -> None:
    class Counter(io.BytesIO):
        total = 0

        def write(self, data: Any, /) -> int:
            self.total += len(data)
            return len(data)

    block, sink = os.urandom(1 << 20), Counter()
    tracemalloc.start()
    try:
        with encrypted(sink, public_key) as clear:
            for _ in range(50):
                clear.write(block)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sink.total > 50 << 20
    assert peak < 8 << 20


def test_gpg_shows_no_secret_and_starts_no_agent(
    public_key: PublicKey, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SECRET", "hidden-in-the-environment")
    sink = io.BytesIO()
    with encrypted(sink, public_key) as clear:
        clear.write(CLEAR)
        clear.flush()
        [home] = temporary.iterdir()
        assert home.stat().st_mode & 0o777 == 0o700
        [(pid, command)] = running(temporary).items()
        assert "--encrypt" in command
        assert b"hidden-in-the-environment" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert not list(home.glob("S.gpg-agent*"))


# --- signing ---


def test_a_signature_is_good_for_gpg_and_sequoia(
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


def test_the_passphrase_is_shown_nowhere(
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


def test_an_unprotected_key_signs_from_a_long_temporary_path(
    maker: KeyMaker, public_key: PublicKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = maker.make("Unprotected")
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    message = encrypt(public_key, signing=SigningKey(maker.gpg("--export-secret-keys", key)))
    assert f"[GNUPG:] VALIDSIG {key} " in report(maker, message)


@pytest.mark.parametrize(
    ("passphrase", "words"),
    [
        ("wrong", "does not open with the passphrase that is set"),
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
        maker.public(receiver): "no private key",
        maker.private(receiver) + maker.private(certifier): "2 private keys",
        maker.private(expired): "expired on 2020-12-31",
        maker.private(certifier): "has no usable signing key",
    }.items():
        with pytest.raises(ConfigurationError, match=words) as caught:
            check_signing_key(SigningKey(material, name="Variable acme_signing_key"))
        assert str(caught.value).startswith("Variable acme_signing_key: ")


# --- when something fails ---


@pytest.mark.parametrize("error", [ValueError("of the block"), KeyboardInterrupt(), SystemExit(143), BrokenPipeError()])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("closed", [False, True])
def test_an_error_of_the_block_leaves_no_message(
    maker: KeyMaker, public_key: PublicKey, signing: SigningKey, error: BaseException, signed: bool, closed: bool
) -> None:
    sink = io.BytesIO()

    def fail() -> None:
        with encrypted(sink, public_key, signing=signing if signed else None) as clear:
            clear.write(os.urandom(5_000_000))
            if closed:
                clear.close()
            raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    with pytest.raises(subprocess.CalledProcessError):
        maker.gpg("--decrypt", data=sink.getvalue())


class FullDisk(io.BytesIO):
    """A sink that takes so many blocks."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.error = OSError(28, "No space left on device")

    def write(self, data: Any, /) -> int:
        if not self.blocks:
            raise self.error
        self.blocks -= 1
        return super().write(data)


@pytest.mark.parametrize("blocks", [0, 2])
@pytest.mark.parametrize("size", [10, 20_000_000])
def test_an_error_of_the_sink_is_raised_as_it_is(
    maker: KeyMaker, public_key: PublicKey, blocks: int, size: int
) -> None:
    sink = FullDisk(blocks if size > 10 else 0)
    with pytest.raises(OSError, match="No space left") as caught, encrypted(sink, public_key) as clear:
        clear.write(os.urandom(size))
    assert caught.value is sink.error
    with pytest.raises(subprocess.CalledProcessError):
        maker.gpg("--decrypt", data=sink.getvalue())


def test_an_error_of_the_sink_is_raised_even_if_the_block_hides_it(public_key: PublicKey) -> None:
    sink = FullDisk(0)

    def hide() -> None:
        with encrypted(sink, public_key) as clear, contextlib.suppress(OSError):
            for _ in range(20):
                clear.write(os.urandom(1_000_000))

    with pytest.raises(OSError, match="No space left") as caught:
        hide()
    assert caught.value is sink.error


def test_a_killed_gpg_is_a_transient_error(public_key: PublicKey, temporary: Path) -> None:
    def lose() -> None:
        with encrypted(io.BytesIO(), public_key) as clear:
            [pid] = running(temporary)
            os.kill(pid, signal.SIGKILL)
            clear.write(CLEAR * 100)

    with pytest.raises(TransientError, match=r"killed by signal 9.*Run the delivery again") as caught:
        lose()
    assert public_key.fingerprint in str(caught.value)


def test_a_key_that_gpg_refuses_is_named(maker: KeyMaker) -> None:
    primary = maker.make("Lapsed", expire="1y", at=LONG_AGO)
    subkey = maker.add(primary, at=LONG_AGO)
    key = PublicKey(primary, subkey, ("Lapsed",), None, maker.gpg("--export", primary))
    with pytest.raises(ConfigurationError, match=rf"refuses to encrypt to key {primary} \(Lapsed\).*Unusable public"):
        encrypt(key)


@pytest.mark.parametrize(
    ("deed", "error"),
    [
        ("exec cat", RejectedError),
        ('exec {gpg} "$@" --recipient {stranger}', RejectedError),
        ("exec {gpg} --homedir {home} --trust-model always --encrypt --recipient {stranger}", RejectedError),
        ("cat > /dev/null; exit 0", TransientError),
        ("echo '[GNUPG:] END_ENCRYPTION' >&2; cat > /dev/null", TransientError),
        ("echo 'gpg: bad day' >&2; exit 2", TransientError),
    ],
)
def test_a_gpg_that_does_not_encrypt_to_the_key_alone_gets_nothing_through(
    deed: str,
    error: type[PersadoError],
    maker: KeyMaker,
    stranger: str,
    public_key: PublicKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    certificate = tmp_path / "other.pgp"
    certificate.write_bytes(maker.gpg("--export", stranger))
    gpg = shutil.which("gpg")
    script = tmp_path / "gpg"
    script.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *--encrypt*) {gpg} "$1" "$2" --batch --quiet --import {certificate} 2>/dev/null\n'
        f'{deed.format(gpg=gpg, stranger=stranger, home=maker.home.path)} ;; *) exec {gpg} "$@" ;; esac\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    sink = io.BytesIO()
    with pytest.raises(error) as caught, encrypted(sink, public_key) as clear:
        clear.write(CLEAR)
    assert sink.getvalue() == b""
    assert public_key.fingerprint in str(caught.value)


def test_what_gpg_writes_from_2_3_on_for_keys_that_say_so_goes_through(
    maker: KeyMaker, receiver: str, public_key: PublicKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, home = tmp_path / "public.asc", tmp_path / "rnp"
    public.write_text(maker.public(receiver))
    home.mkdir()
    script = tmp_path / "gpg"
    script.write_text(  # RNP knows the same packet, which the gpg of Debian 12 does not write
        "#!/bin/sh\n"
        'case "$*" in *--encrypt*) echo "[GNUPG:] END_ENCRYPTION" >&2\n'
        f"exec rnp --homedir {home} --keyfile {public} --recipient {receiver} --encrypt --aead=OCB --output - - ;;\n"
        f'*) exec {shutil.which("gpg")} "$@" ;; esac\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    message = encrypt(public_key)
    assert opened("rnp", maker.private(receiver), message, tmp_path) == CLEAR
    assert maker.gpg("--decrypt", data=message) == CLEAR
    assert b":aead encrypted packet:" in maker.gpg("--list-packets", data=message)
