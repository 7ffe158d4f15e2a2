"""The command line, ``python -m persado``: one module for each command; works without a running Airflow."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from persado.cli import history, preview, reference, schema, show, validate
from persado.errors import PersadoError

# A command is a module with add(commands), which adds its parser and sets `run`, a function of the parsed arguments
# that gives the exit code.
COMMANDS = (validate, show, preview, history, schema, reference)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command.

    :param arguments: what follows ``python -m persado``; None: this process's arguments
    :return: the exit code: 0, or 1 after a mistake was reported
    """
    parser = argparse.ArgumentParser(prog="python -m persado", description="Checks and explains deliveries to Persado.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    parsed = parser.parse_args(arguments)
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal may lack a character that a description or a value has.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except PersadoError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; nothing is left to say, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
