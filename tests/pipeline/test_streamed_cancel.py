"""A streamed delivery that is cancelled or times out stops its child processes and removes its files at the site."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.airflow.runs import Project, airflow_database, gpg, pgp_home, project
from support.sites.sftp_server import Folder, SftpServer

from persado.pipeline import streamed

__all__ = ["airflow_database", "pgp_home", "project"]

pytestmark = pytest.mark.timeout(900)

ENDLESS = """
WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t) SELECT i, hex(randomblob(200)) AS noise FROM t
"""


PATIENCE = 280
"""The seconds that starting Airflow may take on a busy machine."""
UNHURRIED = """
import sys
from airflow.__main__ import main
from persado.pipeline import streamed
streamed.GRACE = 200  # unlike under Airflow, the process is not killed after five seconds
sys.argv = ["airflow", "dags", "test", "endless"]
main()
"""


class SlowFolder(Folder):
    """Accept about 600 kB per second."""

    async def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        await asyncio.sleep(0.05)
        return super().write(file_obj, offset, data)


@pytest.fixture
def endless(project: Project, pgp_home: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project with a signed and encrypted delivery to a slow site, which never ends."""
    project.site.serve(SlowFolder)
    project.write("keys/receiver.asc", gpg(pgp_home, "--armor", "--export").decode())
    private = gpg(pgp_home, "--armor", "--export-secret-keys").decode()
    monkeypatch.setenv("AIRFLOW_VAR_SIGNING_KEY", private)
    keys = {"pgp_public_key": "receiver.asc", "pgp_signing_key": {"variable": "signing_key"}}
    project.describe(
        "endless",
        ENDLESS,
        settings={"filename_template": "out.csv.gz", "encoding": "gzip", **keys},
        execution="streamed",
    )
    return project


def await_bytes(site: SftpServer, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process sends data."""
    end = time.monotonic() + PATIENCE
    while not site.written:
        assert process.poll() is None, "it ended too soon"
        assert time.monotonic() < end
        time.sleep(0.05)


def gnupg_processes(home: str) -> list[psutil.Process]:
    """Return all processes that use a GnuPG home: gpg, and its agent, which is not a child of this process."""
    return [process for process in psutil.process_iter(["cmdline"]) if home in " ".join(process.info["cmdline"] or ())]


def test_a_task_that_gets_sigterm_cleans_up(endless: Project) -> None:
    with subprocess.Popen([sys.executable, "-c", UNHURRIED], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as task:
        try:
            await_bytes(endless.site, task)
            [running] = [child for child in psutil.Process(task.pid).children() if child.name() == "gpg"]
            home = running.cmdline()[running.cmdline().index("--homedir") + 1]
            assert {process.name() for process in gnupg_processes(home)} == {"gpg", "gpg-agent"}
            assert {Path(name).suffix for name in endless.arrived()} == {".part", ".lock"}

            task.send_signal(signal.SIGTERM)
            log = task.communicate(timeout=PATIENCE)[0].decode()
        finally:
            task.kill()
    assert gnupg_processes(home) == []
    assert not Path(home).exists()
    assert endless.arrived() == {}
    assert "deliver: the task was stopped" in log


@pytest.fixture
def no_gc_callbacks() -> Iterator[None]:
    """Disable Hypothesis's garbage collector callback: an exception of a signal handler inside of it would be lost."""
    callbacks = gc.callbacks[:]
    gc.callbacks.clear()
    yield
    gc.callbacks.extend(callbacks)


@pytest.mark.usefixtures("no_gc_callbacks")
def test_a_task_that_times_out_cleans_up(endless: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from persado.dag.factory import make_dag

    monkeypatch.setattr(streamed, "GRACE", 200)
    alarms: list[int] = []

    class TimeIsUp(SlowFolder):
        async def write(self, file_obj: object, offset: int, data: bytes) -> Any:
            # Once only, when the first rows arrive: the writes after it are the cleanup.
            if not alarms and not self.is_lock(file_obj):
                alarms.append(signal.SIGALRM)
                os.kill(os.getpid(), signal.SIGALRM)  # as Airflow's timer does
            return await super().write(file_obj, offset, data)

    endless.site.serve(TimeIsUp)
    dag = make_dag(endless.load().deliveries["endless"])
    dag.get_task("deliver").execution_timeout = timedelta(minutes=10)
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    run = dag.test()
    assert run.state == "failed"
    assert alarms
    assert len(endless.site.written) > 0
    assert endless.arrived() == {}
    assert {child.pid for child in psutil.Process().children(recursive=True)} == before
