"""The hook of the connection type ``persado``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import paramiko
from airflow.providers.sftp.hooks.sftp import SFTPHook
from airflow.sdk import BaseHook
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from persado.errors import ConfigurationError, PersadoError
from persado.pipeline.site import DEFAULT_HOST, DEFAULT_PORT, Site, connect


class _Extra(BaseModel):
    """The extras that count here; ``conn_timeout`` and ``key_file`` are those of a connection of type ``sftp``."""

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


class PersadoHook(SFTPHook):
    """
    Talk to Persado's site over SFTP.

    All methods of the SFTP provider's hook work, over connections that are safer than its own: the host key is
    always checked against the pinned ones, every wait has a time-out, a wrong pass phrase is one attempt,
    nothing is compressed on the wire, and neither ``ssh-agent`` nor ``~/.ssh`` is used.

    :param persado_conn_id: :ref:`connection <howto/connection:persado>` of type ``persado``, or of type ``sftp``
    :raises ConfigurationError: if a field of the connection cannot be understood
    """

    conn_name_attr = "persado_conn_id"
    default_conn_name = "persado_default"
    conn_type = "persado"
    hook_name = "Persado"

    def __init__(self, persado_conn_id: str = default_conn_name) -> None:
        self.persado_conn_id = persado_conn_id
        self.site = _site(persado_conn_id)
        # Without a connection id the provider's hook parses no extras of its own.
        super().__init__(
            ssh_conn_id=None,
            remote_host=self.site.host,
            port=self.site.port,
            username=self.site.login,
            password=self.site.password,
            conn_retry_attempts=1,
        )
        self._opened = ExitStack()
        self._shared: paramiko.SFTPClient | None = None

    @contextmanager
    def session(self) -> Iterator[paramiko.SFTPClient]:
        """Log in and give an SFTP session, closed at the end; see :func:`persado.pipeline.site.connect`."""
        with connect(self.site) as sftp:
            yield sftp

    def get_conn(self) -> paramiko.SFTPClient:  # type: ignore[override]
        """Open a session that stays open until :meth:`close_conn`."""
        if self.conn is None:
            self.conn = self._opened.enter_context(connect(self.site))
        return self.conn

    def close_conn(self) -> None:
        """Close the session of :meth:`get_conn`."""
        self.conn = None
        self._opened.close()

    @contextmanager
    def get_managed_conn(self) -> Iterator[paramiko.SFTPClient]:
        """Give a session that nested calls share, closed when the outermost one ends."""
        if self._shared is not None:
            yield self._shared
            return
        with connect(self.site) as sftp:
            self._shared = sftp
            try:
                yield sftp
            finally:
                # A closed client must not be found by the next call.
                self._shared = self.conn = None

    def _build_worker_hook(self) -> PersadoHook:
        return PersadoHook(self.persado_conn_id)

    def test_connection(self) -> tuple[bool, str]:
        """Log in and open an SFTP session: what Airflow's *Test* button does."""
        try:
            with self.session() as sftp:
                sftp.listdir_attr(".")
        except PersadoError as error:
            return False, str(error)
        return True, f"Logged in to {self.site}; its host key is a pinned one."


def _site(conn_id: str) -> Site:
    connection = BaseHook.get_connection(conn_id)
    try:
        extra = _Extra.model_validate({k: v for k, v in connection.extra_dejson.items() if v not in (None, "")})
    except ValidationError as error:
        problems = "; ".join(f"extra {'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        raise ConfigurationError(f"connection {conn_id!r}: {problems}") from None
    if extra.no_host_key_check or extra.allow_host_key_change:
        raise ConfigurationError(
            f"connection {conn_id!r}: the host key is always checked here; remove no_host_key_check and "
            "allow_host_key_change, and pin the site's key in the extra host_key"
        )
    if not connection.login:
        raise ConfigurationError(f"connection {conn_id!r}: the account (login) is missing, such as acme_amp")
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
