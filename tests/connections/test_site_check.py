"""Airflow's *Test* button checks the folders of the destinations that use the connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import yaml
from support.airflow.runs import airflow_database
from support.sites.sftp_server import ACCOUNT, PASS_PHRASE, Folder, Operation, SftpServer

from persado.hooks import PersadoHook

__all__ = ["airflow_database"]


class ReadOnly(Folder):
    """Refuse to write files."""

    def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        if pflags & asyncssh.FXF_WRITE:
            raise asyncssh.SFTPPermissionDenied("read only")
        return super().open(path, pflags, attrs)


class NoRemoval(Folder):
    """Refuse to remove files."""

    def remove(self, path: bytes) -> Any:
        raise asyncssh.SFTPPermissionDenied("no removal")


class Described:
    """A site, a configuration folder, and connections in the environment."""

    def __init__(self, folder: Path, server: SftpServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config, self.server, self._env = folder / "persado", server, monkeypatch
        (self.config / "destinations").mkdir(parents=True)
        monkeypatch.setenv("AIRFLOW__PERSADO__CONFIG_DIR", str(self.config))
        self.connect("saved")

    def connect(self, conn_id: str, **changes: Any) -> None:
        fields = {"host": "127.0.0.1", "port": self.server.port, "login": ACCOUNT, "password": PASS_PHRASE, **changes}
        connection = {"conn_type": "persado", **fields, "extra": {"host_key": self.server.host_key}}
        self._env.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    def destination(self, name: str, remote_folder: str, connection: str = "saved") -> None:
        content = {"connection": connection, "settings": {"remote_folder": remote_folder}}
        (self.config / "destinations" / f"{name}.yaml").write_text(yaml.safe_dump(content))

    def test(self, conn_id: str = "saved") -> tuple[bool, str]:
        return PersadoHook(conn_id).test_connection()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any, airflow_database: None) -> Iterator[Described]:
    folder = tmp_path / "site"
    (folder / "in box").mkdir(parents=True)
    (folder / "a file").touch()
    with SftpServer(folder, files=getattr(request, "param", Folder)) as server:
        yield Described(tmp_path, server, monkeypatch)


def test_check_of_a_folder_leaves_no_file_behind(site: Described) -> None:
    site.destination("segments", r"/in\ box")
    worked, message = site.test()
    assert worked, message
    assert "The remote folder /in box of destination segments exists and is writable." in message
    assert list((site.server.folder / "in box").iterdir()) == []
    changed = [operation.path for operation in site.server.changes()]
    assert all(path.startswith("/in box/.persado-test-") for path in changed)


def test_connection_without_destinations_checks_no_folder(site: Described) -> None:
    worked, message = site.test()
    assert worked
    assert "No destination uses this connection yet" in message
    assert site.server.changes() == []


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/nowhere", "remote folder /nowhere: there is no such folder at the site"),
        (r"/a\ file", "remote folder /a file: that is a file at the site"),
    ],
)
def test_wrong_folder_is_reported(site: Described, folder: str, expected: str) -> None:
    site.destination("good", "/")
    site.destination("wrong", folder)
    worked, message = site.test()
    assert not worked
    assert f"The login to {ACCOUNT}@127.0.0.1:{site.server.port} works, but destination wrong: {expected}" in message
    assert site.server.logins == ["password"]


@pytest.mark.parametrize("site", [ReadOnly], indirect=True)
def test_missing_write_permission_is_reported(site: Described) -> None:
    site.destination("inbox", "/")
    worked, message = site.test()
    assert not worked
    assert "destination inbox: remote folder /: it is not writable for this account" in message


@pytest.mark.parametrize("site", [NoRemoval], indirect=True)
def test_missing_delete_permission_is_reported(site: Described) -> None:
    site.destination("inbox", "/")
    worked, message = site.test()
    assert not worked
    (left,) = (path for path in site.server.folder.iterdir() if path.name.startswith(".persado"))
    assert f"remove the empty file /{left.name}" in message
    assert Operation("create", f"/{left.name}") in site.server.changes()


def test_folder_of_a_data_template_is_checked_too(site: Described) -> None:
    site.destination("inbox", "/")
    template = {"destination": "inbox", "settings": {"remote_folder": "/special", "filename_template": "a.csv"}}
    orchestration = {"query": "a.sql", "source": "warehouse", "data_template": "special"}
    for name, content in {"data_templates/special": template, "orchestrations/a": orchestration}.items():
        (site.config / name).parent.mkdir()
        (site.config / f"{name}.yaml").write_text(yaml.safe_dump(content))
    (site.config / "queries").mkdir()
    (site.config / "queries" / "a.sql").write_text("SELECT 1")
    worked, message = site.test()
    assert not worked
    assert "destination inbox: remote folder /special: there is no such folder" in message


def test_temporary_connection_id_is_recognised_by_site_and_account(site: Described) -> None:
    site.connect("other", login="other_amp")
    site.destination("mine", "/nowhere")
    site.destination("theirs", "/theirs", connection="other")
    site.connect("xQjB81")
    worked, message = site.test("xQjB81")
    assert not worked
    assert "/nowhere" in message
    assert "/theirs" not in message


def test_unsaved_connection_is_checked_for_the_only_missing_one(site: Described) -> None:
    site.connect("saved", login="other_amp")
    site.destination("new", "/nowhere", connection="new_one")
    site.connect("xQjB81")
    worked, message = site.test("xQjB81")
    assert not worked
    assert "destination new: remote folder /nowhere" in message

    site.destination("newer", "/", connection="newer_one")
    worked, message = site.test("xQjB81")
    assert worked
    assert "Save the connection and test it again to check the folder of destination new, newer too." in message
