"""Astro's airflow_settings.yaml: how it is read, the messages about mistakes, and what is written into Airflow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import REPO

from demo.airflow_home import clean_environment
from demo.layout import Layout
from demo.parts import choose_parts
from demo.settings_file import Airflow, read_settings
from demo.sftp_site import Site
from persado.errors import ConfigurationError

SITE = Site("127.0.0.1", 2222, "acme_amp", "pass phrase of the demo", "ssh-ed25519 AAAA")


def settings(tmp_path: Path, text: str) -> Airflow:
    file = tmp_path / "airflow_settings.yaml"
    file.write_text(text, encoding="utf-8")
    return read_settings(file)


def test_the_project_s_own_file_is_valid_and_contains_no_secret() -> None:
    own = read_settings(REPO / "airflow_settings.yaml")
    assert [entry.conn_id for entry in own.named_connections] == ["warehouse_default", "persado_default"]
    assert [pool.pool_name for pool in own.named_pools] == ["persado_site"]
    assert not any(entry.conn_password or entry.conn_uri for entry in own.named_connections)


def test_empty_forms_of_the_astro_cli_are_ignored(tmp_path: Path) -> None:
    blank = settings(
        tmp_path,
        """
        airflow:
          connections:
            - conn_id:
              conn_type:
              conn_host:
              conn_port:
              conn_extra:
          pools:
            - pool_name:
              pool_slot:
              pool_description:
          variables:
            - variable_name:
              variable_value:
        """,
    )
    assert not any([blank.named_connections, blank.named_pools, blank.named_variables])


@pytest.mark.parametrize(
    ("entry", "line", "message"),
    [
        ("{conn_id: a, con_type: http}", 3, "unknown key 'con_type'. Did you mean 'conn_type'?"),
        ("{conn_id: a, conn_type: x, conn_password: 774411}", 3, "conn_password: expected a text. Put it in quotes"),
        ('{conn_id: a, conn_type: x, conn_port: "22"}', 3, "expected a whole number from 1 to 65535"),
        (
            '{conn_id: a, conn_type: x, conn_extra: "{774411"}',
            3,
            "expected a mapping, or a text that contains a JSON object",
        ),
        ("{conn_id: a, conn_uri: 'x://774411', conn_host: b}", 3, "Leave it out, or leave out conn_host"),
        ("{conn_id: a}", 3, "has no conn_type"),
        ("{conn_type: x}", 3, "has no conn_id"),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_without_the_value(
    tmp_path: Path, entry: str, line: int, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(tmp_path, f"airflow:\n  connections:\n    - {entry}\n")
    assert f"airflow_settings.yaml:{line}: " in str(caught.value)
    assert message in str(caught.value)
    assert "774411" not in str(caught.value)


def test_duplicate_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'a' is in the list twice"):
        settings(tmp_path, "airflow: {pools: [{pool_name: a, pool_slot: 1}, {pool_name: a, pool_slot: 2}]}")


def test_loading_writes_all_entries_and_replaces_them_when_repeated(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = clean_environment() | {"AIRFLOW_HOME": str(home)}

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], cwd=REPO, env=environment, capture_output=True, text=True, check=False
        )

    file = tmp_path / "settings.yaml"
    file.write_text(
        """
airflow:
  connections:
    - {conn_id: c, conn_type: persado, conn_host: h, conn_password: "p%w", conn_port: 22, conn_extra: {host_key: k}}
  pools: [{pool_name: p, pool_slot: 3}]
  variables: [{variable_name: v, variable_value: "1"}]
"""
    )
    assert "run `airflow db migrate`" in python("-m", "demo.airflow_settings", str(file)).stderr
    assert python("-m", "airflow", "db", "migrate").returncode == 0
    assert "loaded c, p, v" in python("-m", "demo.airflow_settings", str(file)).stdout
    file.write_text(file.read_text().replace("conn_host: h", "conn_host: other"))
    assert "loaded c, p, v" in python("-m", "demo.airflow_settings", str(file)).stdout

    show = (
        "import json; from airflow.models import Connection, Pool, Variable; from airflow.settings import Session;"
        "c = Session().query(Connection).filter_by(conn_id='c').one();"
        "print(json.dumps([c.host, c.password, c.port, c.extra_dejson, Pool.get_pool('p').slots, Variable.get('v')]))"
    )
    assert json.loads(python("-c", show).stdout.splitlines()[-1]) == ["other", "p%w", 22, {"host_key": "k"}, 3, "1"]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.make_folders()
    for folder in ("orchestrations", "keys"):
        (tmp_path / "include" / "persado" / folder).mkdir(parents=True)
    return layout


OWN_SITE = "airflow: {connections: [{conn_id: persado_default, conn_type: persado, conn_host: sftp.example.com}]}"


def test_empty_connections_become_the_demo_s(tmp_path: Path, layout: Layout) -> None:
    parts = choose_parts(layout, read_settings(REPO / "airflow_settings.yaml"), SITE, only_ours=False)
    by_id = {entry.conn_id: entry for entry in parts.settings.named_connections}
    assert by_id["persado_default"].conn_port == 2222
    assert by_id["persado_default"].conn_extra == {"host_key": "ssh-ed25519 AAAA"}
    assert by_id["warehouse_default"].conn_host == str(layout.warehouse)
    assert (parts.all_ours, parts.config) == (True, layout.config)
    assert SITE.pass_phrase not in repr(parts)


def test_a_user_s_own_site_is_used_with_the_user_s_own_keys(tmp_path: Path, layout: Layout) -> None:
    parts = choose_parts(layout, settings(tmp_path, OWN_SITE), SITE, only_ours=False)
    by_id = {entry.conn_id: entry for entry in parts.settings.named_connections}
    assert by_id["persado_default"].conn_host == "sftp.example.com"
    assert (parts.all_ours, parts.config) == (False, tmp_path / "include" / "persado")


def test_a_connection_in_the_environment_counts_as_the_user_s_own(
    tmp_path: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PERSADO_DEFAULT", "{}")
    parts = choose_parts(layout, settings(tmp_path, "airflow: {}"), SITE, only_ours=False)
    assert [entry.conn_id for entry in parts.settings.named_connections] == ["warehouse_default"]
    assert not parts.all_ours


def test_make_run_sends_only_to_the_stand_in(tmp_path: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PERSADO_DEFAULT", "{}")
    parts = choose_parts(layout, settings(tmp_path, OWN_SITE), SITE, only_ours=True)
    by_id = {entry.conn_id: entry for entry in parts.settings.named_connections}
    assert by_id["persado_default"].conn_host == "127.0.0.1"
    assert parts.all_ours
    assert "AIRFLOW_CONN_PERSADO_DEFAULT" not in clean_environment()


def test_demo_config_follows_edits_of_the_project_s_files_but_has_its_own_key(tmp_path: Path, layout: Layout) -> None:
    source = tmp_path / "include" / "persado"
    (source / "keys" / "persado.asc").write_text("the real one")
    (source / "keys" / "other.asc").write_text("another")
    for _ in range(2):
        choose_parts(layout, settings(tmp_path, "airflow: {}"), SITE, only_ours=True)
        (layout.config / "keys" / "persado.asc").write_text("the demo's")
    (source / "orchestrations" / "new.yaml").write_text("x")
    assert (layout.config / "orchestrations" / "new.yaml").read_text() == "x"
    assert (layout.config / "keys" / "other.asc").read_text() == "another"
    assert (source / "keys" / "persado.asc").read_text() == "the real one"
