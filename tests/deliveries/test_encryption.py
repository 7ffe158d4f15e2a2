"""Encrypted deliveries, with the key in a file or in Airflow; no secret is shown anywhere."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.airflow.customers import CUSTOMERS, QUERY, SETTINGS
from support.airflow.runs import Project, database_dump, event_extra, gpg, task_states


def test_an_encrypted_delivery_from_query_to_done(customers: Project, pgp_home: Path) -> None:
    (customers.config / "keys").mkdir(parents=True)
    (customers.config / "keys" / "receiver.asc").write_bytes(gpg(pgp_home, "--armor", "--export"))
    customers.describe("encrypted", QUERY, settings={**SETTINGS, "pgp_public_key": "receiver.asc"})

    run = customers.run("encrypted")

    assert run.state == "success"
    assert list(task_states(run)) == ["extract", "format", "encode", "encrypt", "upload", "success_file"]
    arrived = customers.arrived()
    assert list(arrived) == ["out.csv.gz.pgp", "out.csv.gz.pgp.DONE"]
    assert arrived["out.csv.gz.pgp.DONE"] == b""
    clear = gzip.decompress(gpg(pgp_home, "--decrypt", data=arrived["out.csv.gz.pgp"])).decode()
    assert clear == 'id,name,amount\n00012,"Ann, ""x""",\n0,"",1.5\n"é\nñ😀",b,2.0\n'
    assert list(customers.stage.glob("*/*")) == []


def test_an_encrypted_delivery_in_one_task(customers: Project, pgp_home: Path) -> None:
    customers.write("keys/receiver.asc", gpg(pgp_home, "--armor", "--export").decode())
    customers.describe("streamed", QUERY, settings={**SETTINGS, "pgp_public_key": "receiver.asc"}, execution="streamed")
    (customers.inbox / "out.csv.gz.pgp.DONE").touch()

    run = customers.run("streamed")

    assert run.state == "success"
    assert list(task_states(run)) == ["deliver", "success_file"]
    arrived = customers.arrived()
    assert list(arrived) == ["out.csv.gz.pgp", "out.csv.gz.pgp.DONE"]
    clear = gzip.decompress(gpg(pgp_home, "--decrypt", data=arrived["out.csv.gz.pgp"])).decode()
    assert clear == 'id,name,amount\n00012,"Ann, ""x""",\n0,"",1.5\n"é\nñ😀",b,2.0\n'
    assert not customers.stage.exists()
    receipt = event_extra("streamed")
    assert receipt["rows"] == len(CUSTOMERS)
    assert receipt["read_by"] == "dbapi"
    assert receipt["key_fingerprint"]
    assert [(file["remote_path"], file["sha256"]) for file in receipt["files"]] == [
        ("/inbox/out.csv.gz.pgp", hashlib.sha256(arrived["out.csv.gz.pgp"]).hexdigest())
    ]
    changes = [(operation.name, operation.path, operation.to) for operation in customers.site.changes()]
    hidden = next(change[1] for change in changes if change[1].endswith(".part"))
    assert [change for change in changes if change[2] or change[0] == "remove"][:2] == [
        ("remove", "/inbox/out.csv.gz.pgp.DONE", None),
        ("posix_rename", hidden, "/inbox/out.csv.gz.pgp"),
    ]


@pytest.fixture
def soon(tmp_path: Path) -> Iterator[Path]:
    """Create a key that expires in 20 days, in a separate GnuPG home."""
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    gpg(home, "--quick-generate-key", "Soon", "future-default", "default", "20d")
    yield home
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)


@pytest.mark.parametrize(
    ("execution", "origin"),
    [("chained", {"variable": "receiver_key"}), ("streamed", {"connection": "receiver_key"})],
)
def test_a_key_in_airflow_encrypts_warns_before_it_expires_and_signs(
    execution: str,
    origin: dict[str, str],
    customers: Project,
    soon: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    public = gpg(soon, "--armor", "--export").decode()
    private = gpg(soon, "--armor", "--export-secret-keys").decode()
    monkeypatch.setenv("AIRFLOW_VAR_RECEIVER_KEY", public)
    connections = {"RECEIVER_KEY": {"public_key": public}, "OWN_KEY": {"private_key": private}}
    for name, extra in connections.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({"conn_type": "generic", "extra": extra}))
    keys = {"pgp_public_key": origin, "pgp_signing_key": {"connection": "own_key"}, "pgp_armor": True}
    customers.describe("held", QUERY, settings={**SETTINGS, **keys}, execution=execution)

    assert customers.run("held").state == "success"

    message = customers.arrived()["out.csv.gz.pgp"]
    assert message.startswith(b"-----BEGIN PGP MESSAGE-----\n")
    clear = gzip.decompress(gpg(soon, "--decrypt", data=message)).decode()
    assert clear == 'id,name,amount\n00012,"Ann, ""x""",\n0,"",1.5\n"é\nñ😀",b,2.0\n'
    assert b"GOODSIG" in gpg(soon, "--status-fd", "1", "--decrypt", data=message)
    receipt = event_extra("held")
    assert receipt["key_fingerprint"]
    (warning,) = receipt["warnings"]
    assert "expires on" in warning
    assert warning in capfd.readouterr().out


def test_no_secret_and_no_customer_value_in_logs_and_database(
    customers: Project, pgp_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    value = "mary.major@example.com"  # no query of another test contains it
    with customers.warehouse as warehouse:
        warehouse.execute("INSERT INTO customers VALUES ('1', ?, 1)", [value])
    customers.write("keys/receiver.asc", gpg(pgp_home, "--armor", "--export").decode())
    customers.describe("silent", QUERY, settings={**SETTINGS, "pgp_public_key": "receiver.asc"})
    assert customers.run("silent").state == "success"

    captured = capfd.readouterr()
    database = database_dump()
    assert "silent" in database
    logs = b"".join(path.read_bytes() for path in Path(os.environ["AIRFLOW_HOME"]).rglob("*.log"))
    password = customers.site.site().password
    assert password
    for secret in (password, value, "PGP PUBLIC KEY"):
        assert secret not in captured.out + captured.err
        assert secret not in database
        assert secret.encode().hex().upper() not in database  # as the dump shows binary values
        assert secret.encode() not in logs
