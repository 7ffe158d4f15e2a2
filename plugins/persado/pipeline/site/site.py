"""The site, and the account that logs in."""

from __future__ import annotations

from dataclasses import dataclass, field

DEFAULT_HOST = "psftp.persado.com"
DEFAULT_PORT = 22


@dataclass(frozen=True)
class Site:
    """
    The site, and the account that logs in.

    :param login: the account, usually ``<persado_account_name>_amp``
    :param password: the pass phrase of the account
    :param private_key: a private key in OpenSSH or PEM format. With a password as well, the password is only used if
        the site asks for both or accepts no keys
    :param private_key_passphrase: the pass phrase of the private key
    :param host_key: the site's public keys, one per line, as ``ssh-ed25519 AAAA...`` or a line of ``known_hosts``
    :param connect_timeout: seconds to wait for the connection, for the key exchange and for the login, each
    :param channel_timeout: seconds to wait for any single response of the site
    """

    login: str
    password: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    private_key_passphrase: str | None = field(default=None, repr=False)
    host_key: str = ""
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    connect_timeout: float = 10.0
    channel_timeout: float = 60.0

    def __str__(self) -> str:
        return f"{self.login}@{self.host}:{self.port}"

    @property
    def known_as(self) -> str:
        """The site's name in ``known_hosts``."""
        return self.host if self.port == DEFAULT_PORT else f"[{self.host}]:{self.port}"
