"""The command line, ``python -m persado``, one module per command. It needs no running Airflow."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from persado.cli import history, preview, reference, schema, show, validate
from persado.errors import PersadoError

# A command is a module with add(commands). It adds the command's parser, whose default `run` is a function that takes
# the parsed arguments and returns the exit code.
COMMANDS = (validate, show, preview, history, schema, reference)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command.

    :param arguments: the arguments after ``python -m persado``; None takes those of this process
    :return: the exit code: 0, or 1 after a mistake was reported
    """
    parser = argparse.ArgumentParser(prog="python -m persado", description="Check and explain deliveries to Persado.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    parsed = parser.parse_args(arguments)
    if isinstance(sys.stdout, TextIOWrapper):
        # The terminal may not support every character of a description or a value.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code: int = parsed.run(parsed)
        sys.stdout.flush()
    except PersadoError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe. Avoid another error when stdout is flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
