"""Read the site from an Airflow connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import Connection
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from persado.errors import ConfigurationError
from persado.pipeline.site.site import DEFAULT_HOST, DEFAULT_PORT, Site


class _Extra(BaseModel):
    """The extras that are used; ``conn_timeout`` and ``key_file`` come from connections of type ``sftp``."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    private_key: str | None = None
    key_file: Path | None = None
    private_key_passphrase: str | None = None
    host_key: str | None = None
    connect_timeout: float | None = Field(default=None, gt=0)
    conn_timeout: float | None = Field(default=None, gt=0)
    channel_timeout: float | None = Field(default=None, gt=0)
    no_host_key_check: bool = False
    allow_host_key_change: bool = False


def site_of(connection: Connection) -> Site:
    """
    Return the site of a connection of type ``persado`` or ``sftp``.

    :raises ConfigurationError: if a field is missing or invalid
    """
    conn_id = connection.conn_id
    try:
        extra = _Extra.model_validate({k: v for k, v in connection.extra_dejson.items() if v not in (None, "")})
    except ValidationError as error:
        problems = "; ".join(f"extra {'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        raise ConfigurationError(f"connection {conn_id!r}: {problems}") from None
    if extra.no_host_key_check or extra.allow_host_key_change:
        raise ConfigurationError(
            f"connection {conn_id!r}: the host key is always checked. Remove no_host_key_check and "
            "allow_host_key_change, and pin the site's key in the extra host_key"
        )
    if not connection.login:
        raise ConfigurationError(f"connection {conn_id!r}: the account (login) is missing, such as acme_amp")
    if not 0 < (connection.port or DEFAULT_PORT) < 1 << 16:
        raise ConfigurationError(
            f"connection {conn_id!r}: the port {connection.port} is invalid: expected 1 to 65535, usually 22"
        )
    timeouts: dict[str, Any] = {
        "connect_timeout": extra.connect_timeout or extra.conn_timeout,
        "channel_timeout": extra.channel_timeout,
    }
    return Site(
        login=connection.login,
        password=connection.password or None,
        private_key=extra.private_key or _read_key_file(conn_id, extra.key_file),
        private_key_passphrase=extra.private_key_passphrase,
        host_key=extra.host_key or "",
        host=connection.host or DEFAULT_HOST,
        port=connection.port or DEFAULT_PORT,
        **{name: seconds for name, seconds in timeouts.items() if seconds is not None},
    )


def _read_key_file(conn_id: str, path: Path | None) -> str | None:
    try:
        return path.read_text() if path else None
    except (OSError, UnicodeDecodeError) as error:
        problem = f"connection {conn_id!r}: extra key_file: cannot read {path}: {type(error).__name__}"
    raise ConfigurationError(problem)
