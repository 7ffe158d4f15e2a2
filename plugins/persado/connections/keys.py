"""Read OpenPGP keys from a file in ``keys/``, an Airflow Variable or an Airflow connection, as the settings say."""

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

    :return: the key; None if the files are not encrypted
    :raises ConfigurationError: if the key is missing or not usable
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
    Read the private key that signs.

    :return: the key; None if the files are not signed
    :raises ConfigurationError: if the key is missing
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
    Read both keys and check that they can be used.

    :param now: the current time, to warn of a key that expires soon
    :return: the receiver's key, the signing key, and the warnings
    :raises ConfigurationError: if a key is missing or not usable
    """
    key, signing = public_key(settings, keys_folder), signing_key(settings)
    warning = expiry_warning(key, now) if key else None
    if signing:
        check_signing_key(signing)
    return key, signing, (warning,) if warning else ()


def _from_airflow(setting: str, origin: AirflowVariable | AirflowConnection, extra: str) -> tuple[str, str | None]:
    """Return the key's text, and the connection's password, which is the pass phrase of a private key."""
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
        problem = f"{setting}: the connection {origin.connection!r} has no extra {extra!r}. Store the key in it"
    raise ConfigurationError(problem)
