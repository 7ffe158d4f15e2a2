"""`python -m demo run` and `python -m demo up`, which `make run` and `make up` call."""

from __future__ import annotations

import argparse
import sys
import time

import httpx
from rich.console import Console
from rich.text import Text

from demo.airflow_home import USER, USERS
from demo.arrived import MismatchError
from demo.components import ComponentError
from demo.deliveries import Delivery, DeliveryError, deliver
from demo.layout import HERE, Layout
from demo.report import report, total
from demo.sftp_site import known_hosts_file, pass_phrase_file
from demo.start import Demo, started, wait_for_dags
from persado.errors import PersadoError
from persado.settings import load

ORCHESTRATIONS = ("daily_engagement", "weekly_segment")
PROBLEMS = (PersadoError, ComponentError, DeliveryError, MismatchError, httpx.HTTPError, RuntimeError)


def main() -> int:
    """Run the command and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("what", choices=["run", "up"])
    console = Console() if sys.stdout.isatty() else Console(width=140)
    try:
        return (run if parser.parse_args().what == "run" else up)(HERE, console)
    except PROBLEMS as problem:
        print_problem(problem, HERE, console)
        return 1
    except KeyboardInterrupt as signal:
        console.print(f"Ended by {signal or 'SIGINT'}. All processes are stopped.")
        return 130


def run(layout: Layout, console: Console) -> int:
    """Deliver, show what arrived, stop."""
    begin = time.monotonic()
    with started(layout, console, with_ui=False) as demo:
        deliveries = deliver_all(demo, console)
    seconds = time.monotonic() - begin
    summary = f"{total(deliveries)}, in {seconds:.0f} s. All servers are stopped."
    console.print(f"\n[green]Delivered:[/green] {summary}", highlight=False)
    return 0


def up(layout: Layout, console: Console) -> int:
    """Deliver, then leave everything running until Ctrl-C."""
    try:
        with started(layout, console, with_ui=True) as demo:
            if demo.parts.all_ours:
                try:
                    deliver_all(demo, console)
                except (PersadoError, DeliveryError, MismatchError) as problem:
                    print_problem(problem, layout, console)
            print_usage(demo, console)
            while True:
                demo.components.check()
                time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("\nStopped. All processes have ended.")
    return 0


def deliver_all(demo: Demo, console: Console) -> list[Delivery]:
    """Run the two orchestrations and show what arrived."""
    wait_for_dags(demo, ORCHESTRATIONS)
    console.print()
    deliveries = deliver(demo.api, demo.home.path, ORCHESTRATIONS, console, demo.components.check)
    console.print()
    report(demo.layout, deliveries, load(demo.parts.config).deliveries, console)
    return deliveries


def print_usage(demo: Demo, console: Console) -> None:
    """Print the URLs, passwords and folders."""
    passwords = demo.home.passwords
    lines = [("Airflow's UI", f"{demo.home.url}   user {USER}   password {passwords[USER]}")]
    lines += [
        ("", f"or user {user}, {' and '.join(roles)}: password {passwords[user]}")
        for user, roles in USERS.items()
        if user != USER
    ]
    if demo.parts.all_ours:
        command = (
            f"sftp -P {demo.site.port} -o UserKnownHostsFile={known_hosts_file(demo.layout)} "
            f"{demo.site.account}@{demo.site.host}"
        )
        lines.append(("The site", f"{command}   (pass phrase: {pass_phrase_file(demo.layout)})"))
        lines.append(("Its folder", str(demo.layout.site)))
    lines.append(("DAGs", f"{', '.join(load(demo.parts.config).deliveries)}: press Trigger in the UI"))
    lines.append(("Settings", f"{demo.layout.root / 'include' / 'persado'}: edits show in the UI within seconds"))
    lines.append(("Logs", f"{demo.layout.logs} and {demo.home.path / 'logs'}"))
    console.print()
    for name, text in lines:
        console.print(Text.assemble((f"{name:<15}", "bold"), text), soft_wrap=True)
    console.print("\nCtrl-C stops everything.")


def print_problem(problem: BaseException, layout: Layout, console: Console) -> None:
    """Print what went wrong and which log to read."""
    text = str(problem) or type(problem).__name__
    if isinstance(problem, httpx.HTTPError):
        text = f"Airflow's API: {text}\n  read {layout.logs / 'api-server.log'}"
    console.print(Text.assemble(("Failed: ", "bold red"), text), soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
