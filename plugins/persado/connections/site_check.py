"""What Airflow's *Test* button tries: the login, then the folder of every destination that uses the connection."""

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
    A folder at the site that deliveries go to.

    :param connection: the Airflow connection that the destination names
    :param destination: the destination's name
    :param path: the folder's path at the site
    """

    connection: str
    destination: str
    path: str


def check_site(conn_id: str, site: Site, connect: Connect) -> str:
    """
    Log in, and try the folders of the destinations that use the connection.

    :param conn_id: the id of the connection; in Airflow's form a made-up one
    :param site: where it leads, and as whom
    :param connect: logs in there
    :return: what was tried and works
    :raises PersadoError: with everything that is wrong with the folders, or with the first thing that stops before
    """
    folders, unclear = _folders_of(conn_id, site, list(remote_folders()))
    with connect() as session:
        told = [f"Logged in to {site}; its host key is a pinned one."]
        with site_errors(f"{site}: cannot look around"):
            session.normalize(".")
        wrong = []
        for path, names in folders.items():
            try:
                require_writable(session, path)
            except RejectedError as error:
                wrong.append(f"destination {', '.join(names)}: {error}")
            else:
                told.append(f"The remote folder {path} of destination {', '.join(names)} is there and is writable.")
    if wrong:
        raise RejectedError(". ".join([f"The login to {site} works, but {wrong[0]}", *wrong[1:]]))
    if unclear:
        told.append(f"Save it and test it again to try the folder of destination {', '.join(sorted(unclear))} too.")
    elif not folders:
        told.append("No destination uses this connection yet, so no remote folder was tried.")
    return " ".join(told)


def remote_folders() -> Iterator[RemoteFolder]:
    """List the folders that the configuration sends to: those of the destinations and those that templates override."""
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
    Pick the folders of a connection; give also the destinations of which nobody can tell.

    Airflow's form tests a connection under a made-up id. It is known by its site and account, therefore; one that has
    not been saved yet is that of the destinations whose connection does not exist, if they all name the same one.
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
