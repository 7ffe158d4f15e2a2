"""The hook of the connection type ``persado``."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from airflow.providers.sftp.hooks.sftp import SFTPHook, handle_connection_management
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowException

from persado.connections.site import site_of
from persado.connections.site_check import check_site
from persado.errors import PersadoError
from persado.pipeline.site.connect import open_session
from persado.pipeline.site.errors import ConnectionLostError, site_errors
from persado.pipeline.site.files import kind
from persado.pipeline.site.session import Session
from persado.pipeline.upload.store import store


class PersadoHook(SFTPHook):
    """
    Interact with Persado's site over SFTP.

    ::

        hook = PersadoHook("persado_default")
        hook.store_file("/inbox/segment.csv", "/tmp/segment.csv")
        hook.list_directory("/inbox")

    All methods of :class:`~airflow.providers.sftp.hooks.sftp.SFTPHook` are available. The connection is stricter:

    * The host key is always checked against the pinned keys.
    * Every wait has a time-out.
    * A wrong pass phrase is sent only once.
    * The connection is not compressed.
    * Neither ``ssh-agent`` nor ``~/.ssh`` is used.

    :param persado_conn_id: :ref:`connection <howto/connection:persado>` of type ``persado`` or ``sftp``
    :raises ConfigurationError: if a field of the connection is missing or invalid
    """

    conn_name_attr = "persado_conn_id"
    default_conn_name = "persado_default"
    conn_type = "persado"
    hook_name = "Persado"

    def __init__(self, persado_conn_id: str = default_conn_name) -> None:
        # Skip SFTPHook.__init__: it reads ~/.ssh/config, which may fail, run commands, or set a proxy and keys.
        BaseHook.__init__(self)
        self.persado_conn_id = self.ssh_conn_id = persado_conn_id
        self.site = site_of(BaseHook.get_connection(persado_conn_id))
        self.remote_host, self.port, self.username = self.site.host, self.site.port, self.site.login
        self.use_managed_conn = True
        self.conn: Session | None = None
        self._users = 0
        self._proven = False

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Log in and yield an SFTP session; see :func:`persado.pipeline.site.connect.open_session`."""
        with closing(self._open()) as session:
            yield session

    def get_conn(self) -> Session:  # type: ignore[override]
        """Return a session that stays open until :meth:`close_conn`; reconnect if it was lost."""
        if self.conn is None or not self.conn.is_open:
            self.close_conn()
            self.conn = self._open()
        return self.conn

    def close_conn(self) -> None:
        """Close the session of :meth:`get_conn`."""
        if self.conn is not None:
            self.conn.close()
            self.conn = None

    @contextmanager
    def get_managed_conn(self) -> Iterator[Session]:
        """Yield the open session, or a new one that is closed when the outermost of nested calls ends."""
        was_open = self.conn is not None and self.conn.is_open and not self._users
        session = self.get_conn()
        self._users += 1
        try:
            yield session
        finally:
            self._users -= 1
            if not self._users and not was_open:
                self.close_conn()

    def get_conn_count(self) -> int:
        """Return the number of nested managed connections."""
        return self._users

    # The provider's versions treat every error, such as a missing permission, as absence.

    @handle_connection_management
    def list_directory(self, path: str, recursive: bool = False) -> list[str] | None:
        """
        Return the names in a folder, sorted.

        :param path: full path of the folder
        :param recursive: return the files in the folder and its sub-folders instead, as paths relative to ``path``
        :return: the names; None if the folder does not exist
        """
        with site_errors(f"cannot list {path}"):
            try:
                if not recursive:
                    return sorted(self.get_conn().listdir(path))
                return sorted(posixpath.relpath(file, path) for file in self.get_tree_map(path)[0])
            except FileNotFoundError:
                return None

    @handle_connection_management
    def path_exists(self, path: str) -> bool:
        """
        Return whether a path exists.

        :param path: full path of a file or folder
        """
        return kind(self.get_conn(), path) is not None

    @handle_connection_management
    def isdir(self, path: str) -> bool:
        """
        Return whether a path is a folder.

        :param path: full path
        """
        return kind(self.get_conn(), path) == "folder"

    @handle_connection_management
    def isfile(self, path: str) -> bool:
        """
        Return whether a path is a file.

        :param path: full path
        """
        return kind(self.get_conn(), path) == "file"

    # The provider's versions write to the final name, so a lost connection leaves an incomplete file there.

    def store_file(self, remote_full_path: str, local_full_path: Any, confirm: bool = True) -> None:
        """
        Send a local file; it gets its final name only when it is complete.

        :param remote_full_path: full path of the remote file
        :param local_full_path: full path of the local file, or a ``BytesIO``
        :param confirm: ignored; the size is always checked
        """
        source: Callable[[], Any] = partial(open, local_full_path, "rb")
        if isinstance(local_full_path, BytesIO):
            source = partial(BytesIO, local_full_path.read())
        store(self._reconnecting, source, remote_full_path)

    def store_directory_concurrently(
        self,
        remote_full_path: str,
        local_full_path: str,
        confirm: bool = True,
        workers: int = os.cpu_count() or 2,
    ) -> None:
        """
        Send a local folder, several files at a time; each file gets its final name only when it is complete.

        :param remote_full_path: full path of the remote folder, which must not exist
        :param local_full_path: full path of the local folder
        :param confirm: ignored; sizes are always checked
        :param workers: number of connections
        :raises AirflowException: if the remote folder exists
        """
        if self.path_exists(remote_full_path):
            raise AirflowException(f"{remote_full_path} already exists")
        local, files = Path(local_full_path), []
        with self.get_managed_conn():
            self.create_directory(remote_full_path)
            for path in sorted(local.rglob("*")):
                remote = posixpath.join(remote_full_path, path.relative_to(local).as_posix())
                if path.is_dir():
                    self.create_directory(remote)
                else:
                    files.append((remote, path))

        def send(share: list[tuple[str, Path]]) -> None:
            worker = self._build_worker_hook()
            with worker.get_managed_conn():
                for remote, path in share:
                    worker.store_file(remote, path)

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(send, (files[number::workers] for number in range(min(workers, len(files))))))

    @contextmanager
    def _reconnecting(self) -> Iterator[Session]:
        """Yield the managed session; close it if the connection was lost, so that the next call reconnects."""
        with self.get_managed_conn() as session:
            try:
                yield session
            except ConnectionLostError:
                session.close()
                raise

    def _open(self) -> Session:
        session = open_session(self.site, proven=self._proven)
        self._proven = True
        return session

    def _build_worker_hook(self) -> PersadoHook:
        hook = PersadoHook(self.persado_conn_id)
        hook._proven = self._proven
        return hook

    def test_connection(self) -> tuple[bool, str]:
        """Log in and check the destinations' remote folders; called by Airflow's *Test* button."""
        try:
            return True, check_site(self.persado_conn_id, self.site, self.session)
        except PersadoError as error:
            return False, str(error)
