"""OpenPGP keys from where the settings say: a file in ``keys/``, an Airflow Variable or an Airflow connection."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from airflow.sdk import BaseHook, Variable
from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError

from persado.errors import ConfigurationError
from persado.pipeline.encrypt.public_key import PublicKey, expiry_warning, read_public_key
from persado.pipeline.encrypt.signing_key import SigningKey, check_signing_key
from persado.settings import AirflowConnection, AirflowVariable, Settings


def public_key(settings: Settings, keys_folder: Path) -> PublicKey | None:
    """
    Read and check the receiver's key.

    :param settings: the effective settings
    :param keys_folder: where key files are
    :return: the key; None where nothing is encrypted
    :raises ConfigurationError: if the key is missing or must not be used
    """
    origin = settings.pgp_public_key
    if origin is None:
        return None
    if isinstance(origin, str):
        path = keys_folder / origin
        try:
            material, name = path.read_bytes(), str(path)
        except OSError as error:
            raise ConfigurationError(f"pgp_public_key: cannot read {path}: {error.strerror}") from None
    else:
        text, _ = _from_airflow("pgp_public_key", origin, "public_key")
        material, name = text.encode(), "pgp_public_key"
    return read_public_key(material, fingerprint=settings.pgp_fingerprint, name=name)


def signing_key(settings: Settings) -> SigningKey | None:
    """
    Read the own key that signs.

    :return: the key; None where nothing is signed
    :raises ConfigurationError: if it is missing
    """
    origin = settings.pgp_signing_key
    if origin is None:
        return None
    material, passphrase = _from_airflow("pgp_signing_key", origin, "private_key")
    return SigningKey(material=material, passphrase=passphrase, name="pgp_signing_key")


def checked_keys(
    settings: Settings, keys_folder: Path, now: datetime
) -> tuple[PublicKey | None, SigningKey | None, tuple[str, ...]]:
    """
    Find what is wrong with the keys before anything else is done.

    :param settings: the effective settings
    :param keys_folder: where key files are
    :param now: the time, which tells whether a key expires soon
    :return: the receiver's key, the own key that signs, and the warnings
    :raises ConfigurationError: if a key is missing or must not be used
    """
    key, signing = public_key(settings, keys_folder), signing_key(settings)
    warning = expiry_warning(key, now) if key else None
    if signing:
        check_signing_key(signing)
    return key, signing, (warning,) if warning else ()


def _from_airflow(setting: str, origin: AirflowVariable | AirflowConnection, extra: str) -> tuple[str, str | None]:
    """Give the key's text, and the connection's password: the pass phrase of a private key."""
    problem = None
    try:
        if isinstance(origin, AirflowVariable):
            return str(Variable.get(origin.variable)), None
        connection = BaseHook.get_connection(origin.connection)
    except (AirflowException, AirflowRuntimeError, KeyError):
        what = (
            f"Variable {origin.variable!r}"
            if isinstance(origin, AirflowVariable)
            else f"connection {origin.connection!r}"
        )
        problem = f"{setting}: there is no Airflow {what}"
    else:
        if text := connection.extra_dejson.get(extra):
            return str(text), connection.password
        problem = f"{setting}: the connection {origin.connection!r} has no extra {extra!r} with the key"
    raise ConfigurationError(problem)
