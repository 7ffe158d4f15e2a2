"""OpenPGP keys from a file, an Airflow Variable or an Airflow connection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.airflow.runs import airflow_database, gpg, pgp_home

from persado.connections.keys import public_key, signing_key
from persado.errors import ConfigurationError
from persado.settings import Settings

__all__ = ["airflow_database", "pgp_home"]


def settings(**values: Any) -> Settings:
    return Settings.model_validate({"filename_template": "x", **values})


@pytest.mark.parametrize("origin", ["receiver.asc", {"variable": "receiver_key"}, {"connection": "receiver_key"}])
def test_public_key_is_read_from_file_variable_or_connection(
    origin: str | dict[str, str],
    tmp_path: Path,
    pgp_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    airflow_database: None,
) -> None:
    armored = gpg(pgp_home, "--armor", "--export").decode()
    (tmp_path / "receiver.asc").write_text(armored)
    monkeypatch.setenv("AIRFLOW_VAR_RECEIVER_KEY", armored)
    connection = {"conn_type": "generic", "extra": {"public_key": armored}}
    monkeypatch.setenv("AIRFLOW_CONN_RECEIVER_KEY", json.dumps(connection))
    key = public_key(settings(pgp_public_key=origin), tmp_path)
    assert key is not None
    assert key.user_ids == ("Receiver <receiver@example.com>",)


def test_keys_are_none_without_encryption(tmp_path: Path) -> None:
    assert public_key(settings(), tmp_path) is None
    assert signing_key(settings()) is None


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ("lost.asc", "cannot read .*/lost.asc: No such file"),
        ({"variable": "lost_key"}, "no Airflow Variable 'lost_key'"),
        ({"connection": "lost_key"}, "no Airflow connection 'lost_key'"),
        ({"connection": "bare_key"}, "the connection 'bare_key' has no extra 'public_key'"),
    ],
)
def test_missing_key_is_reported(
    origin: str | dict[str, str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    airflow_database: None,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BARE_KEY", json.dumps({"conn_type": "generic"}))
    with pytest.raises(ConfigurationError, match=message):
        public_key(settings(pgp_public_key=origin), tmp_path)


def test_signing_key_uses_the_connections_password_as_pass_phrase(
    monkeypatch: pytest.MonkeyPatch, airflow_database: None
) -> None:
    connection = {"conn_type": "generic", "password": "phrase", "extra": {"private_key": "key text"}}
    monkeypatch.setenv("AIRFLOW_CONN_OWN_KEY", json.dumps(connection))
    origin = {"pgp_public_key": "x.asc", "pgp_signing_key": {"connection": "own_key"}}
    key = signing_key(settings(**origin))
    assert key is not None
    assert (key.material, key.passphrase) == ("key text", "phrase")
    assert "phrase" not in repr(key)
