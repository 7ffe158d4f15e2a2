"""Processes end with all their children: at the end of the block, at a signal, and when their starter is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.paths import REPO

from demo.components import ComponentError, Components, components
from demo.guardian import members

# A process that ignores SIGTERM, in its own process group, as Airflow's tasks are.
STUBBORN = "import os, signal, time; os.setpgid(0, 0); signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
PARENT = (
    f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); "
    "print('up', flush=True); time.sleep(600)"
)


def start_parent(started: Components) -> int:
    component = started.start("parent", [sys.executable, "-c", PARENT], dict(os.environ))
    started.wait_for("the parent", lambda: "up" in component.log.read_text(), 30)
    assert len(members({component.process.pid})) == 2
    return component.process.pid


def wait_until_gone(session: int) -> None:
    deadline = time.monotonic() + 120
    while members({session}):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_all_processes_end_with_the_block(tmp_path: Path) -> None:
    with components(tmp_path, REPO) as started:
        session = start_parent(started)
    assert not members({session})


@pytest.fixture
def hang_up() -> Iterator[None]:
    """Give SIGHUP its default action, also when the tests run under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hang_up")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_all_processes_end_at_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    sessions: list[int] = []

    def run_until_the_signal() -> None:
        with components(tmp_path, REPO) as started:
            sessions.append(start_parent(started))
            os.kill(os.getpid(), number)
            time.sleep(30)

    with pytest.raises(KeyboardInterrupt, match=number.name):
        run_until_the_signal()
    assert not members(sessions)
    assert before == [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]


def test_error_names_last_output_and_log_of_a_process_that_has_ended(tmp_path: Path) -> None:
    script = "print('first'); raise SystemExit('port is taken')"
    with components(tmp_path, REPO) as started:
        started.start("server", [sys.executable, "-c", script], dict(os.environ))
        with pytest.raises(ComponentError, match=r"server ended \(exit code 1\): port is taken\n  read .*server\.log"):
            started.wait_for("the server", lambda: False, 30)


def test_all_processes_end_when_the_starter_is_killed(tmp_path: Path) -> None:
    script = (
        "import os, sys, time; from pathlib import Path; from demo.components import components\n"
        "with components(Path(sys.argv[1]), Path.cwd()) as started:\n"
        f"    one = started.start('parent', [sys.executable, '-c', {PARENT!r}], dict(os.environ))\n"
        "    started.wait_for('it', lambda: 'up' in one.log.read_text(), 30)\n"
        "    print(one.process.pid, flush=True); time.sleep(600)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", script, tmp_path], cwd=REPO, stdout=subprocess.PIPE, text=True)
    with starter:
        assert starter.stdout is not None
        session = int(starter.stdout.readline())
        assert len(members({session})) == 2
        starter.kill()
    wait_until_gone(session)
