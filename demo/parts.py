"""Choose between the demo's warehouse, site and key, and those that a user has set."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from demo.layout import Layout
from demo.pgp import public_key_file
from demo.settings_file import Airflow, Connection
from demo.sftp_site import Site

WAREHOUSE = "warehouse_default"
PERSADO = "persado_default"


@dataclass(frozen=True)
class Parts:
    """
    What the demo's Airflow works with.

    :param settings: connections and pools, complete
    :param config: the folder with destinations, data templates, orchestrations, queries and keys
    :param all_ours: whether both warehouse and site are the demo's, so that nothing leaves this machine
    """

    settings: Airflow
    config: Path
    all_ours: bool


def choose_parts(layout: Layout, settings: Airflow, site: Site, *, only_ours: bool) -> Parts:
    """
    Fill in what airflow_settings.yaml leaves empty.

    ``warehouse_default`` and ``persado_default`` are the demo's, unless the file gives them a host or a URI, or the
    environment defines them. With a site of the user's own, the keys in include/persado are used.

    :param settings: the content of the file
    :param only_ours: whether to use the demo's parts in any case
    """
    ours = {
        WAREHOUSE: Connection(conn_id=WAREHOUSE, conn_type="duckdb", conn_host=str(layout.warehouse)),
        PERSADO: Connection(
            conn_id=PERSADO,
            conn_type="persado",
            conn_host=site.host,
            conn_port=site.port,
            conn_login=site.account,
            conn_password=site.pass_phrase,
            conn_extra={"host_key": site.host_key},
        ),
    }
    filled_in = [entry for entry in settings.named_connections if entry.conn_host or entry.conn_uri]
    theirs = set() if only_ours else {entry.conn_id for entry in filled_in} | in_environment(ours)
    unchanged = [entry for entry in settings.named_connections if entry.conn_id in theirs or entry.conn_id not in ours]
    added = [connection for name, connection in ours.items() if name not in theirs]
    return Parts(
        settings=settings.model_copy(update={"connections": (*unchanged, *added)}),
        config=layout.root / "include" / "persado" if PERSADO in theirs else make_config(layout),
        all_ours=not theirs & ours.keys(),
    )


def in_environment(names: Iterable[str]) -> set[str]:
    """Return which connections the environment defines; Airflow prefers them to those in its database."""
    return {name for name in names if f"AIRFLOW_CONN_{name.upper()}" in os.environ}


def make_config(layout: Layout) -> Path:
    """Create the demo's configuration folder: links to include/persado, so that edits show, and the demo's own key."""
    source = layout.root / "include" / "persado"
    key = public_key_file(layout).name
    for folder in (layout.config, layout.config / "keys"):
        folder.mkdir(mode=0o700, exist_ok=True)
        for entry in folder.iterdir():
            if entry.is_symlink():
                entry.unlink()
    for entry in source.iterdir():
        if entry.name != "keys":
            (layout.config / entry.name).symlink_to(entry)
    for entry in (source / "keys").glob("*"):
        if entry.name != key:
            (layout.config / "keys" / entry.name).symlink_to(entry)
    return layout.config
