"""The hook's connection: its fields, its test, and that the machine's SSH configuration does not affect it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.expect import WRONG
from support.sites.keys import private_text, public_line, ssh_key
from support.sites.sftp_server import ACCOUNT, PASS_PHRASE, SftpServer

from persado.errors import ConfigurationError
from persado.hooks import PersadoHook
from persado.pipeline.site import connect as site_module
from persado.pipeline.site.keys import fingerprint, pinned_host_keys

pytestmark = pytest.mark.usefixtures("nothing_left_behind", "short_pauses")


def test_host_and_port_have_defaults(define: Any) -> None:
    define(login=ACCOUNT, password=PASS_PHRASE)
    site = PersadoHook().site
    assert (site.host, site.port, site.connect_timeout, site.channel_timeout) == ("psftp.persado.com", 22, 10.0, 60.0)


def test_fields_of_type_persado(define: Any) -> None:
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


def test_empty_fields_count_as_missing(define: Any) -> None:
    extra = dict.fromkeys(["host_key", "private_key", "private_key_passphrase", "connect_timeout", "key_file"], "")
    define(login=ACCOUNT, password=PASS_PHRASE, extra={**extra, "channel_timeout": None})
    site = PersadoHook().site
    assert (site.host_key, site.private_key, site.connect_timeout, site.channel_timeout) == ("", None, 10.0, 60.0)


def test_fields_of_type_sftp(reach: Any, server: SftpServer, tmp_path: Path) -> None:
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
        ({"port": 99_999}, "the port 99999 is invalid"),
        ({"extra": {"connect_timeout": "soon"}}, "extra connect_timeout: Input should be a valid number"),
        ({"extra": {"channel_timeout": 0}}, "extra channel_timeout: Input should be greater than 0"),
        ({"extra": {"private_key": 7}}, "extra private_key: Input should be a valid string"),
        ({"extra": {"host_key": ["a"]}}, "extra host_key: Input should be a valid string"),
        ({"extra": {"key_file": "/no/such/key"}}, "extra key_file: cannot read /no/such/key: FileNotFoundError"),
        ({"extra": {"no_host_key_check": True}}, "the host key is always checked"),
        ({"extra": {"no_host_key_check": "true"}}, "the host key is always checked"),
        ({"extra": {"allow_host_key_change": "True"}}, "the host key is always checked"),
    ],
)
def test_invalid_fields_are_reported(fields: dict[str, Any], problem: str, define: Any) -> None:
    define(**{"login": ACCOUNT, "password": PASS_PHRASE, **fields})
    with pytest.raises(ConfigurationError) as caught:
        PersadoHook()
    assert str(caught.value).startswith("connection 'persado_default': ")
    assert problem in str(caught.value)
    assert PASS_PHRASE not in str(caught.value)


def test_error_does_not_show_an_invalid_extra(define: Any) -> None:
    define(login=ACCOUNT, extra={"private_key": {"text": "SECRET"}, "private_key_passphrase": ["SECRET"]})
    with pytest.raises(ConfigurationError) as caught:
        PersadoHook()
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_connection_test_logs_in(reach: Any, server: SftpServer) -> None:
    reach()
    worked, message = PersadoHook().test_connection()
    assert worked
    assert message.startswith(f"Logged in to {ACCOUNT}@127.0.0.1:{server.port}; its host key is pinned.")
    assert server.logins == ["password"]


def test_connection_test_reports_what_is_wrong(reach: Any, server: SftpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "FIRST_PAUSE", 0.01)
    (pinned,) = pinned_host_keys(server.host_key, "")
    other = public_line(ssh_key("ssh-ed25519", "another host"))
    for changes, sentences in {
        '{"password": "not the pass phrase"}': ["the site refused the login with this account and pass phrase"],
        '{"password": null}': ["neither a password (the pass phrase) nor the extra private_key"],
        '{"extra": {"host_key": ""}}': ["no host key is pinned", fingerprint(pinned), f"host_key: {server.host_key}"],
        json.dumps({"extra": {"host_key": other}}): ["wrong host key: expected", fingerprint(pinned)],
        '{"extra": {"host_key": "nonsense"}}': ["extra host_key, line 1: expected a public key such as"],
        '{"extra": {"private_key": "nonsense"}}': [
            "extra private_key: it is not a private key in OpenSSH or PEM format"
        ],
        '{"port": 1}': ["127.0.0.1:1: cannot connect: the connection was refused"],
    }.items():
        reach(**json.loads(changes))
        worked, message = PersadoHook().test_connection()
        assert not worked
        for sentence in sentences:
            assert sentence in message
        assert WRONG not in message
        assert PASS_PHRASE not in message


@pytest.mark.parametrize(
    "config",
    [
        "Host *\n  ProxyCommand touch {marker}\n",
        'Match exec "touch {marker}"\n  User somebody\n',
        'This is = no "configuration\nHost\n',
        "Host *\n  IdentityFile {marker}\n  User somebody\n  Port 1\n  HostName 192.0.2.1\n",
    ],
)
def test_ssh_config_is_ignored(
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
