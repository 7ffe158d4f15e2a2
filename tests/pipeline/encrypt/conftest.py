"""The receiver's and the sender's keys, and a check that no test leaves files or processes of GnuPG."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.files.openpgp import PASSPHRASE, KeyMaker, running

from persado.pipeline.encrypt.home import gnupg_home
from persado.pipeline.encrypt.public_key import PublicKey, read_public_key
from persado.pipeline.encrypt.signing_key import SigningKey


@pytest.fixture(scope="package")
def maker() -> Iterator[KeyMaker]:
    with gnupg_home(agent=True) as home:
        yield KeyMaker(home)


@pytest.fixture(scope="package")
def receiver(maker: KeyMaker) -> str:
    key = maker.make("Receiver")
    maker.add(key)
    return key


@pytest.fixture(scope="package")
def stranger(maker: KeyMaker) -> str:
    key = maker.make("Stranger")
    maker.add(key)
    return key


@pytest.fixture(scope="package")
def public_key(maker: KeyMaker, receiver: str) -> PublicKey:
    return read_public_key(maker.public(receiver))


@pytest.fixture(scope="package")
def sender(maker: KeyMaker) -> str:
    return maker.make("Sender", passphrase=PASSPHRASE)


@pytest.fixture(scope="package")
def signing(maker: KeyMaker, sender: str) -> SigningKey:
    return SigningKey(maker.private(sender, passphrase=PASSPHRASE), PASSPHRASE)


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Check that a test, however it ends, leaves no file and no process of GnuPG."""
    tmp_path_factory.getbasetemp()  # created now, outside of the folder
    with tempfile.TemporaryDirectory(prefix="pgp-", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)
        assert list(Path(folder).iterdir()) == []
        for _ in range(100):  # a stopped agent takes a moment to end
            if not running(folder):
                break
            time.sleep(0.05)
        assert running(folder) == {}
