"""The contenders, each as a command."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from support import postgres
from support.airflow.runs import gpg
from support.sites.sshd import Sshd

from bench import SITE, data

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Contender:
    """
    What is run and measured.

    :param section: the contenders that it is compared with have the same one
    :param rows: how many rows it delivers
    :param command: program and arguments
    """

    section: str
    name: str
    rows: int
    command: Sequence[str]


@dataclass(frozen=True)
class Place:
    """
    The servers, keys and files of a benchmark.

    :param folder: its temporary folder
    :param sshd: the server that files are sent to
    :param gpg_home: the GnuPG home with the receiver's key
    :param recipient: the fingerprint of that key
    :param long_line: the port of a proxy that delays everything to and from the server
    """

    folder: Path
    sshd: Sshd
    gpg_home: Path
    recipient: str
    long_line: int

    @property
    def inbox(self) -> Path:
        """The server's folder."""
        return self.folder / "inbox"

    @property
    def sent(self) -> Path:
        """A file like a delivered one, for measuring the upload alone."""
        return self.folder / "sent.pgp"

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of all contenders."""
        site = self.sshd.site()
        extra = {"private_key": site.private_key, "no_host_key_check": True}
        connections = {
            "BENCH_DATABASE": {
                "conn_type": "postgres",
                "host": postgres.host(),
                "login": postgres.USER,
                "schema": "postgres",
            },
            "BENCH_SITE": {
                "conn_type": "sftp",
                "host": site.host,
                "port": site.port,
                "login": site.login,
                "extra": extra,
            },
        }
        return {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}",
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            SITE: json.dumps(asdict(site)),
            **{f"AIRFLOW_CONN_{name}": json.dumps(fields) for name, fields in connections.items()},
        }


def make_key(home: Path) -> str:
    """Generate the receiver's key; return its fingerprint."""
    home.mkdir(mode=0o700)
    gpg(home, "--quick-generate-key", "Receiver <receiver@example.com>", "future-default", "default", "1y")
    (home / "receiver.asc").write_bytes(gpg(home, "--armor", "--export"))
    listed = gpg(home, "--with-colons", "--list-keys").decode().splitlines()
    return next(line for line in listed if line.startswith("fpr:")).split(":")[9]


def contenders(place: Place, rows: int) -> Iterator[Contender]:
    """
    Yield all contenders.

    :param rows: the rows of a delivery; the section ``growth`` has up to four times as many
    """
    for program in ("gzip -6", "igzip"):
        yield Contender("delivery", f"shell, {program}", rows, _shell(place, program, rows))
    yield Contender("delivery", "ordinary pandas chain", rows, _ordinary(place, rows))
    for source in ("postgres", "duckdb", "sqlite"):
        for how in ("streamed", "chained"):
            yield Contender("delivery", f"{how}, {source}", rows, _project(place, how, source, rows))
    yield Contender("limit", "psql, to nowhere", rows, ("bash", "-c", f"{shlex.join(_psql(rows))} > /dev/null"))
    for source, growth in (("postgres", (2, 4)), ("duckdb", (2, 4)), ("sqlite", (4,))):  # SQLite is slow
        for times in growth:
            command = _project(place, "streamed", source, times * rows)
            yield Contender("growth", f"streamed, {source}", times * rows, command)
    yield Contender("30 ms line", "upload", rows, _upload(place))
    yield Contender("30 ms line", "sftp", rows, _sftp(place))
    for name, how in (("DB-API path, sqlite", "project"), ("csv.writer, same cursor", "csv")):
        yield Contender("DB-API", name, rows, _dbapi(place, how, rows))


def _python(*arguments: str) -> Sequence[str]:
    return (sys.executable, "-m", *arguments)


def _shell(place: Place, program: str, rows: int) -> Sequence[str]:
    site = place.sshd.site()
    key = _key_file(place)
    target = f"sftp://{site.host}:{site.port}{place.inbox}/customers.csv.gz.pgp"
    stages = (
        _psql(rows),
        program.split(),
        ["gpg", "--homedir", str(place.gpg_home), "--batch", "--quiet", "--trust-model", "always", "-z", "0",
         "--encrypt", "--recipient", place.recipient],
        ["curl", "-sS", "-k", "-u", f"{site.login}:", "--key", str(key), "--pubkey", f"{key}.pub", "-T", "-", target],
    )  # fmt: skip
    return ("bash", "-o", "pipefail", "-c", " | ".join(map(shlex.join, stages)))


def _psql(rows: int) -> list[str]:
    copy = f"COPY ({data.query(rows)}) TO STDOUT (FORMAT csv, HEADER)"
    return ["psql", "-X", "-q", "-h", postgres.host(), "-U", postgres.USER, "-d", "postgres", "-c", copy]


def _key_file(place: Place) -> Path:
    path = place.folder / "client_key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(place.sshd.site().private_key or "")
        public = subprocess.run(["ssh-keygen", "-y", "-f", path], check=True, capture_output=True).stdout
        Path(f"{path}.pub").write_bytes(public)
    return path


def _ordinary(place: Place, rows: int) -> Sequence[str]:
    home, folder = str(place.gpg_home), str(place.folder)
    return _python("bench.ordinary", data.query(rows), str(place.inbox), home, place.recipient, folder)


def _project(place: Place, how: str, source: str, rows: int) -> Sequence[str]:
    databases = {
        "postgres": f"host={postgres.host()} user={postgres.USER} dbname=postgres",
        "duckdb": str(place.folder / "customers.duckdb"),
        "sqlite": str(place.folder / "customers.sqlite"),
    }
    job = {
        "how": how,
        "source": source,
        "database": databases[source],
        "sql": data.query(rows, ordered=source != "duckdb"),
        "inbox": str(place.inbox),
        "key": str(place.gpg_home / "receiver.asc"),
        "stage": str(place.folder / "stage"),
    }
    return _python("bench.project", json.dumps(job))


def _upload(place: Place) -> Sequence[str]:
    return _python("bench.line_upload", str(place.sent), str(place.inbox), str(place.long_line))


def _sftp(place: Place) -> Sequence[str]:
    site = place.sshd.site()
    options = [
        f"-o{option}" for option in ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
    ]
    batch = place.folder / "batch"
    batch.write_text(f"put {place.sent} {place.inbox}/uploaded\n")
    where = f"{site.login}@{site.host}"
    return ("sftp", "-q", *options, "-i", str(_key_file(place)), "-P", str(place.long_line), "-b", str(batch), where)


def _dbapi(place: Place, how: str, rows: int) -> Sequence[str]:
    target = str(place.folder / "customers.csv")
    return _python("bench.dbapi", how, str(place.folder / "customers.sqlite"), data.query(rows), target)
