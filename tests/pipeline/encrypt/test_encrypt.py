"""Encrypted files are opened by gpg, Sequoia and RNP. A failure leaves no message."""

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from support.files.openers import opened
from support.files.openpgp import CLEAR, LONG_AGO, KeyMaker, encrypt, report, running

from persado.errors import ConfigurationError, PersadoError, RejectedError, TransientError
from persado.pipeline.encrypt.encrypt import encrypted
from persado.pipeline.encrypt.public_key import PublicKey, read_public_key
from persado.pipeline.encrypt.signing_key import SigningKey


@pytest.fixture(scope="module", params=["rsa3072", "cv25519", "nistp256"])
def any_receiver(request: pytest.FixtureRequest, maker: KeyMaker) -> str:
    main = {"rsa3072": "rsa3072", "cv25519": "ed25519", "nistp256": "nistp256"}[request.param]
    key = maker.make(f"Any-{request.param}", main)
    maker.add(key, request.param)
    return key


@pytest.mark.parametrize("armor", [False, True])
def test_gpg_sequoia_and_rnp_open_a_message_and_detect_damage(
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


def test_the_message_contains_no_file_name_and_is_not_compressed(maker: KeyMaker, public_key: PublicKey) -> None:
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


def test_a_message_is_encrypted_to_the_pinned_subkey_and_not_to_a_newer_one(maker: KeyMaker) -> None:
    primary = maker.make("Pinned")
    subkeys = [maker.add(primary), maker.add(primary)]
    for subkey in subkeys:
        key = read_public_key(maker.public(primary), fingerprint=subkey)
        assert f"[GNUPG:] ENC_TO {subkey[-16:]} " in report(maker, encrypt(key))


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
@pytest.mark.parametrize("armor", [False, True])
def test_data_of_any_size_is_encrypted(maker: KeyMaker, public_key: PublicKey, size: int, armor: bool) -> None:
    data = os.urandom(size)
    assert maker.gpg("--decrypt", data=encrypt(public_key, data, armor=armor)) == data


def test_a_wrapper_may_close_the_file_and_a_sink_may_write_a_part(maker: KeyMaker, public_key: PublicKey) -> None:
    class Slow(io.RawIOBase):
        got = b""

        def write(self, data: Any, /) -> int:
            self.got += bytes(data[:1000])
            return min(len(data), 1000)

    sink = Slow()
    with encrypted(sink, public_key) as clear, io.TextIOWrapper(clear, "utf-8") as text:
        text.write(CLEAR.decode())
    assert maker.gpg("--decrypt", data=sink.got) == CLEAR


def test_memory_is_constant_over_50_megabytes(public_key: PublicKey) -> None:
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
    """A sink that accepts a number of blocks, then fails."""

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
def test_an_error_of_the_sink_is_raised_unchanged(
    maker: KeyMaker, public_key: PublicKey, blocks: int, size: int
) -> None:
    sink = FullDisk(blocks if size > 10 else 0)
    with pytest.raises(OSError, match="No space left") as caught, encrypted(sink, public_key) as clear:
        clear.write(os.urandom(size))
    assert caught.value is sink.error
    with pytest.raises(subprocess.CalledProcessError):
        maker.gpg("--decrypt", data=sink.getvalue())


def test_an_error_of_the_sink_is_raised_even_if_the_block_suppresses_it(public_key: PublicKey) -> None:
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


def test_the_error_names_a_key_that_gpg_refuses(maker: KeyMaker) -> None:
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
def test_output_of_a_gpg_that_does_not_encrypt_to_the_key_alone_is_refused(
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


def test_the_packet_that_gpg_2_3_writes_for_keys_that_support_it_is_accepted(
    maker: KeyMaker, receiver: str, public_key: PublicKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, home = tmp_path / "public.asc", tmp_path / "rnp"
    public.write_text(maker.public(receiver))
    home.mkdir()
    script = tmp_path / "gpg"
    script.write_text(  # RNP writes the same packet; the gpg of Debian 12 does not
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
