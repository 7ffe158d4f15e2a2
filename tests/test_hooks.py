"""The hook: the connection's fields, the connection test, and the provider's methods over safer connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import asyncssh
import pytest
from support.expect import WRONG, nothing_left_behind, short_pauses  # noqa: F401 - a fixture
from support.sites.keys import private_text, public_line, ssh_key
from support.sites.sftp_server import ACCOUNT, PASS_PHRASE, Folder, SftpServer
from support.sites.sshd import Sshd

from persado.errors import ConfigurationError, RejectedError
from persado.hooks import PersadoHook
from persado.pipeline.site import connect as site_module
from persado.pipeline.site.keys import fingerprint, pinned_host_keys

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site" / "inbox" / "sub").mkdir(parents=True)
    (tmp_path / "site" / "inbox" / "a.csv").write_bytes(b"abc")
    (tmp_path / "site" / "inbox" / "sub" / "b.csv").write_bytes(b"")
    return tmp_path / "site"


@pytest.fixture
def server(folder: Path) -> Iterator[SftpServer]:
    with SftpServer(folder) as server:
        yield server


@pytest.fixture
def define(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Define an Airflow connection."""

    def set_environment(conn_id: str = "persado_default", conn_type: str = "persado", **fields: Any) -> None:
        connection = {"conn_type": conn_type, **{name: value for name, value in fields.items() if value is not None}}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    return set_environment


@pytest.fixture
def reach(define: Any, server: SftpServer) -> Any:
    """Define a connection to the server, with some fields changed."""

    def define_for_server(conn_id: str = "persado_default", conn_type: str = "persado", **changes: Any) -> None:
        extra = {"host_key": server.host_key, "connect_timeout": 5, "channel_timeout": 5, **changes.pop("extra", {})}
        fields = {"host": "127.0.0.1", "port": server.port, "login": ACCOUNT, "password": PASS_PHRASE}
        define(conn_id, conn_type, **{**fields, **changes}, extra=extra)

    return define_for_server


# The connection's fields


def test_host_and_port_have_defaults(define: Any) -> None:
    define(login=ACCOUNT, password=PASS_PHRASE)
    site = PersadoHook().site
    assert (site.host, site.port, site.connect_timeout, site.channel_timeout) == ("psftp.persado.com", 22, 10.0, 60.0)


def test_the_fields_of_type_persado(define: Any) -> None:
    define(
        "eu",
        host="eu-psftp.persado.com",
        port=2222,
        login=ACCOUNT,
        password=PASS_PHRASE,
        extra={"host_key": "a\nb", "connect_timeout": "7", "channel_timeout": 8.5, "private_key_passphrase": "p"},
    )
    site = PersadoHook("eu").site
    assert str(site) == f"{ACCOUNT}@eu-psftp.persado.com:2222"
    assert (site.password, site.host_key, site.private_key_passphrase) == (PASS_PHRASE, "a\nb", "p")
    assert (site.connect_timeout, site.channel_timeout) == (7.0, 8.5)


def test_empty_fields_are_no_fields(define: Any) -> None:
    extra = dict.fromkeys(["host_key", "private_key", "private_key_passphrase", "connect_timeout", "key_file"], "")
    define(login=ACCOUNT, password=PASS_PHRASE, extra={**extra, "channel_timeout": None})
    site = PersadoHook().site
    assert (site.host_key, site.private_key, site.connect_timeout, site.channel_timeout) == ("", None, 10.0, 60.0)


def test_the_fields_of_type_sftp(reach: Any, server: SftpServer, tmp_path: Path) -> None:
    key = ssh_key("ecdsa-sha2-nistp256", "client")
    server.known_keys = [public_line(key)]
    key_file = tmp_path / "id"
    key_file.write_text(private_text(key, "openssh", "Geheim"))
    reach(
        "plain",
        "sftp",
        password=None,
        extra={
            "key_file": str(key_file),
            "private_key_passphrase": "Geheim",
            "conn_timeout": "3",
            "connect_timeout": None,
            "no_host_key_check": "false",
            "compress": "true",
            "look_for_keys": "false",
        },
    )
    hook = PersadoHook("plain")
    assert hook.site.connect_timeout == 3.0
    assert hook.list_directory("/inbox") == ["a.csv", "sub"]
    assert server.logins == ["publickey"]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"login": None}, "the account (login) is missing"),
        ({"port": 99_999}, "99999 is no port"),
        ({"extra": {"connect_timeout": "soon"}}, "extra connect_timeout: Input should be a valid number"),
        ({"extra": {"channel_timeout": 0}}, "extra channel_timeout: Input should be greater than 0"),
        ({"extra": {"private_key": 7}}, "extra private_key: Input should be a valid string"),
        ({"extra": {"host_key": ["a"]}}, "extra host_key: Input should be a valid string"),
        ({"extra": {"key_file": "/no/such/key"}}, "extra key_file: cannot read /no/such/key: FileNotFoundError"),
        ({"extra": {"no_host_key_check": True}}, "the host key is always checked here"),
        ({"extra": {"no_host_key_check": "true"}}, "the host key is always checked here"),
        ({"extra": {"allow_host_key_change": "True"}}, "the host key is always checked here"),
    ],
)
def test_fields_that_cannot_work(fields: dict[str, Any], problem: str, define: Any) -> None:
    define(**{"login": ACCOUNT, "password": PASS_PHRASE, **fields})
    with pytest.raises(ConfigurationError) as caught:
        PersadoHook()
    assert str(caught.value).startswith("connection 'persado_default': ")
    assert problem in str(caught.value)
    assert PASS_PHRASE not in str(caught.value)


def test_a_wrong_extra_is_not_shown(define: Any) -> None:
    define(login=ACCOUNT, extra={"private_key": {"text": "SECRET"}, "private_key_passphrase": ["SECRET"]})
    with pytest.raises(ConfigurationError) as caught:
        PersadoHook()
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


# The connection test


def test_the_connection_test(reach: Any, server: SftpServer) -> None:
    reach()
    worked, message = PersadoHook().test_connection()
    assert worked
    assert message.startswith(f"Logged in to {ACCOUNT}@127.0.0.1:{server.port}; its host key is a pinned one.")
    assert server.logins == ["password"]


def test_the_connection_test_tells_what_is_wrong(
    reach: Any, server: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_module, "FIRST_PAUSE", 0.01)
    (pinned,) = pinned_host_keys(server.host_key, "")
    other = public_line(ssh_key("ssh-ed25519", "another host"))
    for changes, sentences in {
        '{"password": "not the pass phrase"}': ["the site refused the login. The pass phrase or the account is wrong"],
        '{"password": null}': ["neither a password (the pass phrase) nor the extra private_key"],
        '{"extra": {"host_key": ""}}': ["no host key is pinned", fingerprint(pinned), f"host_key: {server.host_key}"],
        json.dumps({"extra": {"host_key": other}}): ["wrong host key: expected", fingerprint(pinned)],
        '{"extra": {"host_key": "nonsense"}}': ["extra host_key, line 1: expected a public key such as"],
        '{"extra": {"private_key": "nonsense"}}': ["extra private_key: it is no private key in OpenSSH or PEM form"],
        '{"port": 1}': ["127.0.0.1:1: cannot connect: nothing answers there"],
    }.items():
        reach(**json.loads(changes))
        worked, message = PersadoHook().test_connection()
        assert not worked
        for sentence in sentences:
            assert sentence in message
        assert WRONG not in message
        assert PASS_PHRASE not in message


# The provider's methods


@pytest.fixture(params=["asyncssh", "openssh"])
def hook(request: pytest.FixtureRequest, reach: Any, define: Any, folder: Path, tmp_path: Path) -> Iterator[Any]:
    """Give a hook, and the remote path of the folder."""
    if request.param == "asyncssh":
        reach()
        yield PersadoHook(), ""
        return
    with Sshd(folder, tmp_path / "sshd") as sshd:
        site = sshd.site()
        extra = {"private_key": site.private_key, "host_key": site.host_key}
        define(host=site.host, port=site.port, login=site.login, extra=extra)
        yield PersadoHook(), str(folder)


def test_methods_one_after_the_other(hook: tuple[PersadoHook, str], folder: Path, tmp_path: Path) -> None:
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


def test_folders_by_several_workers(hook: tuple[PersadoHook, str], folder: Path, tmp_path: Path) -> None:
    persado, root = hook
    (tmp_path / "local").mkdir()
    for number in range(5):
        (tmp_path / "local" / f"{number}.csv").write_bytes(b"x" * number)
    persado.store_directory_concurrently(f"{root}/inbox/many", str(tmp_path / "local"), workers=2)
    persado.retrieve_directory_concurrently(f"{root}/inbox/many", str(tmp_path / "back"), workers=2)
    for place in (folder / "inbox" / "many", tmp_path / "back"):
        assert {path.name: path.stat().st_size for path in place.iterdir()} == {f"{n}.csv": n for n in range(5)}


@pytest.mark.parametrize("held", [False, True])
def test_a_stored_file_is_never_half_there(held: bool, reach: Any, folder: Path, tmp_path: Path) -> None:
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
    kept = hook.get_conn()
    assert hook.list_directory("/inbox") == ["a.csv", "sub"]
    assert hook.get_conn() is kept
    assert kept.is_open
    with hook.session() as other:
        assert other is not kept
    assert kept.is_open
    hook.close_conn()
    hook.close_conn()
    assert not kept.is_open
    assert hook.conn is None
    assert len(server.logins) == 2


def test_a_connection_that_broke_is_opened_again(reach: Any, server: SftpServer) -> None:
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


def test_a_missing_right_is_no_absence(reach: Any, server: SftpServer, folder: Path) -> None:
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


# What lies around on the machine


@pytest.mark.parametrize(
    "config",
    [
        "Host *\n  ProxyCommand touch {marker}\n",
        'Match exec "touch {marker}"\n  User somebody\n',
        'This is = no "configuration\nHost\n',
        "Host *\n  IdentityFile {marker}\n  User somebody\n  Port 1\n  HostName 192.0.2.1\n",
    ],
)
def test_ssh_config_neither_breaks_nor_changes_anything(
    config: str, reach: Any, server: SftpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "marker"
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    (tmp_path / "home" / ".ssh" / "config").write_text(config.format(marker=marker))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "no agent"))
    reach()
    hook = PersadoHook()
    assert hook.test_connection()[0]
    assert hook.list_directory("/inbox") == ["a.csv", "sub"]
    assert not marker.exists()
    assert server.logins == ["password", "password"]
