"""The state of the configuration: its mistakes, and the keys with those that expire soon."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from persado.connections.keys import public_key
from persado.connections.options import config_dir
from persado.errors import ConfigurationError
from persado.pipeline.encrypt.public_key import PublicKey, expiry_warning
from persado.settings import Delivery, load


class Key(BaseModel):
    """
    The OpenPGP key of some deliveries.

    :param fingerprint: the key's fingerprint; None if the key cannot be used
    :param user_ids: the owners named in the key
    :param expires: when it expires; None for never
    :param warning: why it needs attention: it expires soon or cannot be used
    :param orchestrations: the deliveries that use it
    """

    model_config = ConfigDict(frozen=True)

    fingerprint: str | None
    user_ids: tuple[str, ...]
    expires: datetime | None
    warning: str | None
    orchestrations: tuple[str, ...]


class ConfigurationState(BaseModel):
    """
    The state of the configuration.

    :param errors: mistakes in the files, one line each; None if the user may not see them
    :param keys: the keys of the deliveries, those that need attention first
    """

    model_config = ConfigDict(frozen=True)

    errors: tuple[str, ...] | None
    keys: tuple[Key, ...]


def read_configuration(may_read: Callable[[str], bool], *, with_errors: bool) -> ConfigurationState:
    """
    Read the configuration and check its keys.

    A mistake in a file that orchestrations share can name any of them, so only users who may read all of them see it.

    :param may_read: returns whether the user may read the DAG of an orchestration, given its name
    :param with_errors: whether to return the mistakes
    """
    folder = config_dir()
    configuration = load(folder)
    names = {path.stem for path in (folder / "orchestrations").glob("*.y*ml")} | set(configuration.deliveries)
    readable = {name for name in names if may_read(name)}
    errors = [error for error in map(str, configuration.errors) if readable == names or _is_in_file_of(error, readable)]
    return ConfigurationState(
        errors=tuple(errors) if with_errors else None,
        keys=_keys([delivery for name, delivery in configuration.deliveries.items() if name in readable]),
    )


def _is_in_file_of(error: str, orchestrations: Collection[str]) -> bool:
    """Return whether a mistake is in the file of one of these orchestrations."""
    return error.partition(":")[0] in {f"orchestrations/{name}.yaml" for name in orchestrations}


def _keys(deliveries: Collection[Delivery]) -> tuple[Key, ...]:
    by_key: dict[tuple[str, str | None], list[Delivery]] = {}
    for delivery in deliveries:
        if delivery.settings.pgp_public_key is not None:
            key = (str(delivery.settings.pgp_public_key), delivery.settings.pgp_fingerprint)
            by_key.setdefault(key, []).append(delivery)
    keys = [_key(users) for users in by_key.values()]
    latest = datetime.max.replace(tzinfo=UTC)
    return tuple(sorted(keys, key=lambda key: (key.warning is None, key.expires or latest)))


def _key(deliveries: list[Delivery]) -> Key:
    key: PublicKey | None = None
    try:
        key = public_key(deliveries[0].settings, deliveries[0].config_dir / "keys")
        warning = expiry_warning(key, datetime.now(UTC)) if key else None
    except ConfigurationError as error:
        warning = str(error)
    return Key(
        fingerprint=key.fingerprint if key else None,
        user_ids=key.user_ids if key else (),
        expires=key.expires if key else None,
        warning=warning,
        orchestrations=tuple(delivery.name for delivery in deliveries),
    )
