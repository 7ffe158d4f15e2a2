"""
Many deliveries in a row with one broken connection in five: all arrive, and memory and open files do not grow.

`make soak` runs 200 of them, `make test` a few.
"""

from __future__ import annotations

import gzip
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.airflow.runs import gpg, pgp_home
from support.chain import Chain
from support.expect import nothing_left_behind, short_pauses
from support.sites.proxy import Proxy, one_in
from support.sites.sshd import Sshd

from persado.errors import TransientError
from persado.pipeline.encrypt.public_key import read_public_key
from persado.settings.models.effective import Settings

__all__ = ["nothing_left_behind", "pgp_home", "short_pauses"]

pytestmark = [pytest.mark.usefixtures("nothing_left_behind", "short_pauses"), pytest.mark.timeout(3600)]

TRIES = 6
"""The number of tries of a task."""


def rows_of(number: int) -> list[tuple[str, str]]:
    """Return the rows of a delivery, from none to some megabytes."""
    draw = random.Random(number)
    return [(f"{row:08d}", draw.randbytes(200).hex()) for row in range(draw.choice((0, 10, 500, 2500)))]


def deliver(chain: Chain) -> int:
    """Try as often as Airflow would; return the number of tries."""
    for tries in range(1, TRIES):
        try:
            chain.run()
        except TransientError as error:
            print(f"try {tries}: {error}")
        else:
            return tries
    chain.run()
    return TRIES


def test_every_delivery_arrives(pytestconfig: pytest.Config, pgp_home: Path, tmp_path: Path) -> None:
    count = pytestconfig.getoption("soak")
    key = read_public_key(gpg(pgp_home, "--export"))
    inbox = tmp_path / "site"
    inbox.mkdir()
    grown: list[tuple[int, int]] = []
    tries = 0
    with (
        Sshd(inbox, tmp_path / "sshd") as server,
        Proxy(server.port, one_in(5, up=700_000, seed=count)) as proxy,
        closing(sqlite3.connect(tmp_path / "warehouse.db")) as warehouse,
    ):
        warehouse.execute("CREATE TABLE customers (delivery, id, word)")
        site = server.site(port=proxy.port)
        for number in range(count):
            rows = rows_of(number)
            with warehouse:
                warehouse.executemany(f"INSERT INTO customers VALUES ({number}, ?, ?)", rows)
            name = f"{number:04d}.csv.gz"
            chain = Chain(
                site,
                tmp_path / "chain" / str(number),
                tmp_path / "warehouse.db",
                f"SELECT id, word FROM customers WHERE delivery = {number} ORDER BY id",
                Settings(filename_template=name, encoding="gzip", pgp_public_key="key.asc"),
                key,
                remote_folder=str(inbox),
                delivery_id=f"{number:016x}",
            )
            chain.folder.parent.mkdir(exist_ok=True)
            tries += deliver(chain)
            decrypted = gzip.decompress(gpg(pgp_home, "--decrypt", inbox / f"{name}.pgp"))
            assert decrypted == "".join(f"{a},{b}\n" for a, b in [("id", "word"), *rows]).encode()
            grown.append((memory(), len(list(Path("/proc/self/fd").iterdir()))))
        broken = sum(connection.broken for connection in proxy.connections)
    print(f"{count} deliveries, {len(proxy.connections)} connections, {broken} broken, {tries} tries")
    names = [f"{number:04d}.csv.gz.pgp{done}" for number in range(count) for done in ("", ".DONE")]
    assert sorted(path.name for path in inbox.iterdir()) == names
    assert broken > count / 10
    early = grown[count // 4 :]
    assert early[-1][0] - early[0][0] < 20_000_000
    assert early[-1][1] <= early[0][1] + 2


def memory() -> int:
    """Return the memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
