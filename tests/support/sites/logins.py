"""Logins to test servers and stubs."""

from __future__ import annotations

from typing import Any

from support.sites.keys import public_line, ssh_key
from support.sites.sftp_server import ACCOUNT, PASS_PHRASE, Door

from persado.pipeline.site.connect import connect
from persado.pipeline.site.site import Site

BANNER = b"SSH-2.0-Slow\r\n"


def log_in(site: Site) -> None:
    with connect(site) as session:
        session.normalize(".")


class BreakingDoor(Door):
    """Hang up after a wrong pass phrase."""

    def validate_password(self, username: str, password: str) -> bool:
        if super().validate_password(username, password):
            return True
        self.connection.abort()
        return False


def quick(port: int, **fields: Any) -> Site:
    """Return the site of a stub, with short time-outs."""
    return Site(
        **{
            "login": ACCOUNT,
            "password": PASS_PHRASE,
            "host": "127.0.0.1",
            "port": port,
            "host_key": public_line(ssh_key()),
            "connect_timeout": 0.4,
            "channel_timeout": 0.4,
            **fields,
        }
    )
