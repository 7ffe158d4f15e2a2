"""The methods of the SFTP provider's hook, over the connections of PersadoHook."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import asyncssh
import pytest
from support.sites.sftp_server import Folder, SftpServer
from support.sites.sshd import Sshd

from persado.errors import RejectedError
from persado.hooks import PersadoHook

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


@pytest.fixture(params=["asyncssh", "openssh"])
def hook(request: pytest.FixtureRequest, reach: Any, define: Any, folder: Path, tmp_path: Path) -> Iterator[Any]:
    """Yield a hook and the remote path of the folder."""
    if request.param == "asyncssh":
        reach()
        yield PersadoHook(), ""
        return
    with Sshd(folder, tmp_path / "sshd") as sshd:
        site = sshd.site()
        extra = {"private_key": site.private_key, "host_key": site.host_key}
        define(host=site.host, port=site.port, login=site.login, extra=extra)
        yield PersadoHook(), str(folder)


def test_methods_in_sequence(hook: tuple[PersadoHook, str], folder: Path, tmp_path: Path) -> None:
    persado, root = hook
    for _ in range(2):
        assert persado.list_directory(f"{root}/inbox") == ["a.csv", "sub"]
        assert persado.list_directory(f"{root}/inbox", recursive=True) == ["a.csv", "sub/b.csv"]
        assert persado.list_directory(f"{root}/nowhere") is None
        assert persado.list_directory(f"{root}/nowhere", recursive=True) is None
        assert persado.path_exists(f"{root}/inbox/a.csv")
        assert not persado.path_exists(f"{root}/inbox/b.csv")
        assert persado.isdir(f"{root}/inbox/sub")
        assert not persado.isdir(f"{root}/inbox/a.csv")
        assert persado.isfile(f"{root}/inbox/a.csv")
        assert not persado.isfile(f"{root}/nowhere")
        assert persado.describe_directory(f"{root}/inbox")["a.csv"]["size"] == 3
        (tmp_path / "local").write_bytes(b"12345")
        persado.store_file(f"{root}/inbox/stored", str(tmp_path / "local"))
        persado.store_file(f"{root}/inbox/stored too", BytesIO(b"67"))
        persado.retrieve_file(f"{root}/inbox/stored", str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == b"12345"
        persado.create_directory(f"{root}/inbox/x/y")
        assert persado.get_tree_map(f"{root}/inbox/x")[1] == [f"{root}/inbox/x/y"]
        assert len(persado.get_mod_time(f"{root}/inbox/stored")) == len("20261007083000")
        assert sorted(persado.get_files_by_pattern(f"{root}/inbox", "stor*")) == ["stored", "stored too"]
        persado.transfer("put", str(tmp_path / "local"), f"{root}/inbox/x/z/local", create_intermediate_dirs=True)
        persado.transfer("get", str(tmp_path / "local"), f"{root}/inbox/x/z/local")
        persado.delete_directory(f"{root}/inbox/x", include_files=True)
        for name in ("stored", "stored too"):
            persado.delete_file(f"{root}/inbox/{name}")
        assert persado.conn is None
    assert sorted(path.name for path in (folder / "inbox").iterdir()) == ["a.csv", "sub"]


def test_folders_with_several_workers(hook: tuple[PersadoHook, str], folder: Path, tmp_path: Path) -> None:
    persado, root = hook
    (tmp_path / "local").mkdir()
    for number in range(5):
        (tmp_path / "local" / f"{number}.csv").write_bytes(b"x" * number)
    persado.store_directory_concurrently(f"{root}/inbox/many", str(tmp_path / "local"), workers=2)
    persado.retrieve_directory_concurrently(f"{root}/inbox/many", str(tmp_path / "back"), workers=2)
    for place in (folder / "inbox" / "many", tmp_path / "back"):
        assert {path.name: path.stat().st_size for path in place.iterdir()} == {f"{n}.csv": n for n in range(5)}


@pytest.mark.parametrize("held", [False, True])
def test_store_file_never_shows_a_partial_file(held: bool, reach: Any, folder: Path, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4000

    class Breaking(Folder):
        seen: ClassVar[set[int]] = set()
        wanted = 3

        def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            self.seen.add((folder / "inbox" / "a.csv").stat().st_size)
            if offset > 500_000 and type(self).wanted:
                type(self).wanted -= 1
                self.connection.abort()
            return super().write(file_obj, offset, data)

    (tmp_path / "local").write_bytes(content)
    with SftpServer(folder, files=Breaking) as server:
        reach(port=server.port, extra={"host_key": server.host_key})
        hook = PersadoHook()
        if held:
            hook.get_conn()
        hook.store_file("/inbox/a.csv", str(tmp_path / "local"))
        hook.store_file("/inbox/b.csv", BytesIO(content))
        with pytest.raises(RejectedError, match="remote folder /nowhere: there is no such folder"):
            hook.store_file("/nowhere/a.csv", str(tmp_path / "local"))
        hook.close_conn()
    assert Breaking.seen == {3, len(content)}
    assert {path.name for path in (folder / "inbox").iterdir()} == {"a.csv", "b.csv", "sub"}
    for name in ("a.csv", "b.csv"):
        assert (folder / "inbox" / name).read_bytes() == content


def test_nested_managed_connections_share_one(reach: Any, server: SftpServer) -> None:
    reach()
    hook = PersadoHook()
    with hook.get_managed_conn() as outer:
        with hook.get_managed_conn() as inner:
            assert inner is outer
            assert hook.get_conn_count() == 2
        assert hook.list_directory("/inbox") == ["a.csv", "sub"]
        assert outer.is_open
    assert not outer.is_open
    assert hook.get_conn_count() == 0
    with hook.get_managed_conn() as again:
        assert again.is_open
    assert len(server.logins) == 2


def test_get_conn_stays_open_over_managed_calls(reach: Any, server: SftpServer) -> None:
    reach()
    hook = PersadoHook()
    connection = hook.get_conn()
    assert hook.list_directory("/inbox") == ["a.csv", "sub"]
    assert hook.get_conn() is connection
    assert connection.is_open
    with hook.session() as other:
        assert other is not connection
    assert connection.is_open
    hook.close_conn()
    hook.close_conn()
    assert not connection.is_open
    assert hook.conn is None
    assert len(server.logins) == 2


def test_a_broken_connection_is_reopened(reach: Any, server: SftpServer) -> None:
    reach()
    hook = PersadoHook()
    broken = hook.get_conn()
    server.hang_up()
    broken._transport.join(30)
    assert hook.list_directory("/inbox") == ["a.csv", "sub"]
    assert hook.conn is None
    hook.get_conn().close()
    assert hook.get_conn().is_open
    hook.close_conn()


def test_a_worker_is_a_persado_hook(reach: Any) -> None:
    reach("other")
    worker = PersadoHook("other")._build_worker_hook()
    assert type(worker) is PersadoHook
    assert worker.persado_conn_id == "other"


def test_missing_permission_is_not_reported_as_absence(reach: Any, server: SftpServer, folder: Path) -> None:
    class Denying(Folder):
        def stat(self, path: bytes) -> Any:
            raise asyncssh.SFTPPermissionDenied("Permission denied")

        async def scandir(self, path: bytes) -> Any:
            raise asyncssh.SFTPPermissionDenied("Permission denied")
            yield

    with SftpServer(folder, files=Denying) as denying:
        reach(port=denying.port, extra={"host_key": denying.host_key})
        hook = PersadoHook()
        for call in (hook.path_exists, hook.isdir, hook.isfile, hook.list_directory):
            with pytest.raises(RejectedError, match="/inbox: the site does not permit it"):
                call("/inbox")
