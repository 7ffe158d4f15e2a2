"""The temporary home of gpg: its permissions, its location, and the error without gpg."""

import io
import tempfile
from pathlib import Path

import pytest
from support.files.openpgp import CLEAR, KeyMaker, encrypt, report, running

from persado.errors import ConfigurationError
from persado.pipeline.encrypt.encrypt import encrypted
from persado.pipeline.encrypt.public_key import PublicKey, read_public_key
from persado.pipeline.encrypt.signing_key import SigningKey


def test_the_error_without_gpg_says_what_to_install(
    tmp_path: Path, maker: KeyMaker, receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    armored = maker.public(receiver)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="Debian package gnupg"):
        read_public_key(armored)


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


def test_an_unprotected_key_signs_from_a_long_temporary_path(
    maker: KeyMaker, public_key: PublicKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = maker.make("Unprotected")
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    message = encrypt(public_key, signing=SigningKey(maker.gpg("--export-secret-keys", key)))
    assert f"[GNUPG:] VALIDSIG {key} " in report(maker, message)
