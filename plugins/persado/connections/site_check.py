"""The check behind Airflow's *Test* button: the login and the folders of the destinations with the connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException

from persado.connections.options import config_dir
from persado.errors import RejectedError
from persado.pipeline.site.errors import site_errors
from persado.pipeline.site.folder_check import require_writable
from persado.pipeline.site.reconnect import Connect
from persado.pipeline.site.site import DEFAULT_HOST, DEFAULT_PORT, Site
from persado.settings import Destination, load
from persado.settings.files.folder import read_folder
from persado.settings.models.effective import unescaped

_UNDEFINED = "no such connection"


@dataclass(frozen=True)
class RemoteFolder:
    """
    A folder at the site that receives deliveries.

    :param connection: the id of the destination's Airflow connection
    :param destination: the destination's name
    :param path: full path at the site
    """

    connection: str
    destination: str
    path: str


def check_site(conn_id: str, site: Site, connect: Connect) -> str:
    """
    Log in and check the folders of the destinations that use the connection.

    :param conn_id: the id of the connection; a temporary one if it is tested in Airflow's form
    :param connect: opens a session at the site
    :return: what was checked successfully, as text
    :raises RejectedError: with the problems of all folders
    :raises PersadoError: if the login fails
    """
    folders, unclear = _folders_of(conn_id, site, list(remote_folders()))
    with connect() as session:
        report = [f"Logged in to {site}; its host key is pinned."]
        with site_errors(f"{site}: cannot resolve the login folder"):
            session.normalize(".")
        wrong = []
        for path, names in folders.items():
            try:
                require_writable(session, path)
            except RejectedError as error:
                wrong.append(f"destination {', '.join(names)}: {error}")
            else:
                report.append(f"The remote folder {path} of destination {', '.join(names)} exists and is writable.")
    if wrong:
        raise RejectedError(". ".join([f"The login to {site} works, but {wrong[0]}", *wrong[1:]]))
    if unclear:
        destinations = ", ".join(sorted(unclear))
        report.append(f"Save the connection and test it again to check the folder of destination {destinations} too.")
    elif not folders:
        report.append("No destination uses this connection yet, so no remote folder was checked.")
    return " ".join(report)


def remote_folders() -> Iterator[RemoteFolder]:
    """Yield the folders of all destinations, and the folders that data templates or orchestrations set instead."""
    folder = config_dir()
    seen = set()
    for name, written in read_folder(folder, "destinations", Destination).files.items():
        destination = written.model
        seen.add(RemoteFolder(destination.connection, name, unescaped(destination.settings.remote_folder)))
    for delivery in load(folder).deliveries.values():
        connection, name = delivery.destination.connection, delivery.destination_name
        seen.add(RemoteFolder(connection, name, delivery.settings.remote_dir))
    yield from sorted(seen, key=lambda found: (found.destination, found.path))


def _folders_of(conn_id: str, site: Site, known: list[RemoteFolder]) -> tuple[dict[str, list[str]], set[str]]:
    """
    Return the folders of a connection, and the destinations that may or may not use it.

    Airflow's form tests a connection under a temporary id, so a connection is recognised by its site and account. If
    no saved connection matches, it is taken for the missing connection of the destinations, if only one is missing.
    """
    endpoints = {name: _endpoint(name) for name in {folder.connection for folder in known}}
    here = f"{site.login}@{site.host}:{site.port}"
    ids = {name for name, endpoint in endpoints.items() if name == conn_id or endpoint == here}
    missing = {name for name, endpoint in endpoints.items() if endpoint == _UNDEFINED}
    if not ids and len(missing) == 1:
        ids, missing = missing, set()
    found: dict[str, list[str]] = {}
    for folder in known:
        if folder.connection in ids:
            found.setdefault(folder.path, []).append(folder.destination)
    unclear = {folder.destination for folder in known if folder.connection in missing} if not ids else set()
    return found, unclear


def _endpoint(conn_id: str) -> str:
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowException:
        return _UNDEFINED
    return f"{connection.login}@{connection.host or DEFAULT_HOST}:{connection.port or DEFAULT_PORT}"
