"""The Airflow that all access tests share."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from support.airflow.server import airflow_server
from support.airflow.world import CONFIG, MORE_USERS, QUERIES, RUN, SECRET, UNGATED, World, new_user
from support.paths import TESTS
from support.sites.sftp_server import SftpServer


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Start an Airflow with a site, a warehouse, orchestrations and users of each kind."""
    folder = tmp_path_factory.mktemp("access")
    config = folder / "include" / "persado"
    for name, content in CONFIG.items():
        if name.startswith("orchestrations/"):
            content = {"query": "people.sql", "source": "warehouse", **content}
        file = config / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content))
    (config / "queries").mkdir()
    for name, query in QUERIES.items():
        (config / "queries" / f"{name}.sql").write_text(query)
    with sqlite3.connect(folder / "warehouse.db") as warehouse:
        warehouse.execute("CREATE TABLE people AS SELECT ? AS mail, 7 AS loyalty", (SECRET,))
    (folder / "site").mkdir()
    with SftpServer(folder / "site") as site:
        known = site.site()
        connections: list[dict[str, Any]] = [
            {"conn_id": "warehouse", "conn_type": "sqlite", "conn_host": str(folder / "warehouse.db")},
            {
                "conn_id": "site",
                "conn_type": "persado",
                "conn_host": known.host,
                "conn_port": known.port,
                "conn_login": known.login,
                "conn_password": known.password,
                "conn_extra": {"host_key": known.host_key},
            },
        ]
        with airflow_server(folder, config, connections, {"ungated.py": UNGATED}) as server:
            listed = subprocess.run(
                [sys.executable, "-m", "support.airflow.api_routes"],
                env={**server.home.environment, "PYTHONPATH": str(TESTS)},
                capture_output=True,
                text=True,
                check=True,
            )
            routes = [(method, path) for method, path in json.loads(listed.stdout.splitlines()[-1])]
            world = World(server, site, config, routes)
            names = [name.partition("/")[2] for name in CONFIG if name.startswith("orchestrations/")]
            server.wait_until("the DAGs", lambda: all(server.admin.dag(name) for name in names))
            world.admin.patch("/api/v2/dags", params={"dag_id_pattern": "%"}, json={"is_paused": False})
            for user, roles in MORE_USERS.items():
                world.ask("admin", "POST", "/auth/fab/v1/users", json=new_user(user, *roles)).raise_for_status()
            world.admin.post("/api/v2/variables", json={"key": "secret", "value": "x"}).raise_for_status()
            yield world
            for client in world.clients.values():
                client.close()


@pytest.fixture(scope="package")
def sent(world: World) -> dict[str, dict[str, str]]:
    """Send by the schedule, a backfill and a business user; return how each run and its tasks ended."""
    day = datetime.now(UTC) - timedelta(days=3)
    window = {"dag_id": "nightly", "from_date": day.isoformat(), "to_date": (day + timedelta(days=1)).isoformat()}
    op = world.client("op")
    # Retried, because SQLite may be busy.
    world.server.wait_until("the backfill", lambda: op.post("/api/v2/backfills", json=window).is_success)
    # Airflow also accepts keys that are not parameters, and a query may use them.
    run = {**RUN, "conf": {"customer": SECRET}}
    begun = world.ask("business", "POST", "/api/v2/dags/pii/dagRuns", json=run).raise_for_status()
    world.server.wait_until("two runs", lambda: len(world.get("/api/v2/dags/nightly/dagRuns")["dag_runs"]) == 2)
    nightly = {
        run["run_type"]: world.server.ended("nightly", run["dag_run_id"])
        for run in world.get("/api/v2/dags/nightly/dagRuns")["dag_runs"]
    }
    return {"business": world.server.ended("pii", begun.json()["dag_run_id"]), **nightly}
