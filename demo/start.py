"""Prepare the demo's parts and run Airflow with them for the length of a block."""

from __future__ import annotations

import fcntl
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from demo.airflow_api import AirflowAPI
from demo.airflow_home import (
    USER,
    AirflowHome,
    clean_environment,
    empty_database,
    free_port,
    load_settings,
    make_home,
    make_users,
)
from demo.components import ComponentError, Components, components
from demo.layout import Layout
from demo.parts import Parts, choose_parts
from demo.pgp import make_key_pair
from demo.settings_file import read_settings
from demo.sftp_site import Site, prepare_site, read_site
from demo.warehouse import CUSTOMERS, make_warehouse
from persado.errors import ConfigurationError

START_TIME = 180.0
USUAL_PORT = 8080


@dataclass(frozen=True)
class Demo:
    """
    A running demo.

    :param site: the stand-in for Persado's site
    :param parts: what Airflow works with
    :param home: the private Airflow
    :param components: the processes
    """

    layout: Layout
    site: Site
    parts: Parts
    home: AirflowHome
    api: AirflowAPI
    components: Components


@contextmanager
def started(layout: Layout, console: Console, *, with_ui: bool) -> Iterator[Demo]:
    """
    Prepare everything, start the processes and wait until Airflow is ready; end them at the end of the block.

    :param with_ui: whether people will use it: the triggerer then runs too, the UI has its usual port if that is free,
        and connections that the user has set are used
    """
    layout.make_folders()
    settings = read_settings(layout.root / "airflow_settings.yaml")
    with ExitStack() as stack:
        stack.enter_context(only_one(layout.demo / "lock"))
        processes = stack.enter_context(components(layout.logs, layout.root))
        site = prepare(layout, processes, console)
        parts = choose_parts(layout, settings, site, only_ours=not with_ui)
        home = make_home(layout, free_port(USUAL_PORT if with_ui else 0), parts.config, connections=with_ui)
        api = AirflowAPI(home.url, USER, home.passwords[USER])
        stack.callback(api.close)
        start_airflow(processes, home, api, parts, console, with_triggerer=with_ui)
        yield Demo(layout, site, parts, home, api, processes)


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """
    Hold the lock of a checkout's demo.

    :raises ConfigurationError: if another process holds it
    """
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"Another `make run` or `make up` is running in {lock.parent.parent}. Wait until it ends, or stop it "
                "with Ctrl-C."
            ) from None
        yield


def prepare(layout: Layout, processes: Components, console: Console) -> Site:
    """Create the warehouse, the key pair and an empty Airflow database, and start the site."""
    prepare_site(layout)
    command = [sys.executable, "-m", "demo.sftp_site", "--root", str(layout.root)]
    processes.start("site", command, clean_environment())
    with console.status("preparing"):
        created = make_warehouse(layout.warehouse, today=datetime.now(UTC).date())
        print_part(console, "Warehouse", f"DuckDB, {CUSTOMERS:,} customers{', created' if created else ''}")
        created = make_key_pair(layout)
        print_part(console, "PGP key pair", "created" if created else "that of the last run")
        empty_database(layout)
        processes.wait_for("the stand-in site", lambda: read_site(layout) is not None, START_TIME)
    site = read_site(layout)
    if site is None:
        raise ComponentError(f"the stand-in site has stopped\n  read {layout.logs / 'site.log'}")
    print_part(console, "Persado's site", f"a stand-in: SFTP on {site.host}, port {site.port}, account {site.account}")
    return site


def start_airflow(
    processes: Components, home: AirflowHome, api: AirflowAPI, parts: Parts, console: Console, *, with_triggerer: bool
) -> None:
    """Start Airflow's processes, load connections, pools and users meanwhile, and wait until everything is ready."""
    begin = time.monotonic()
    airflow = [sys.executable, "-m", "airflow"]
    awaited = ["metadatabase", "scheduler", "dag_processor"]
    processes.start("api-server", [*airflow, "api-server"], home.environment)
    processes.start("dag-processor", [*airflow, "dag-processor"], home.environment)
    processes.start("scheduler", [*airflow, "scheduler", "--skip-serve-logs"], home.environment)
    if with_triggerer:
        processes.start("triggerer", [*airflow, "triggerer", "--skip-serve-logs"], home.environment)
        awaited.append("triggerer")
    with console.status("starting Airflow"):
        load_settings(home, parts.settings)
        make_users(home)
        processes.wait_for("Airflow's API", api.is_healthy, START_TIME)
        api.warm_up()
        processes.wait_for("Airflow", lambda: api.is_healthy(*awaited), START_TIME)
        api.log_in()
    print_part(console, "Airflow", f"ready after {time.monotonic() - begin:.0f} s")


def wait_for_dags(demo: Demo, dag_ids: Sequence[str]) -> None:
    """
    Wait until Airflow knows some DAGs.

    :raises ConfigurationError: if one is missing because a DAG file did not load
    """
    deadline = time.monotonic() + 30

    def known() -> bool:
        missing = [dag_id for dag_id in dag_ids if demo.api.dag(dag_id) is None]
        errors = demo.api.import_errors() if missing and time.monotonic() > deadline else []
        if errors:
            details = "\n".join(f"{error['filename']}:\n{error['stack_trace'].strip()}" for error in errors)
            raise ConfigurationError(f"Airflow has no DAG {', '.join(missing)}. Files that did not load:\n{details}")
        return not missing

    demo.components.wait_for(f"the DAGs {', '.join(dag_ids)}", known, START_TIME)


def print_part(console: Console, name: str, text: str) -> None:
    """Print a line about one part of the demo."""
    console.print(f"[bold]{name:<15}[/bold]{text}", highlight=False)
