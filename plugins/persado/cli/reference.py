"""``python -m persado reference``: the reference of all settings; ``docs/settings.md`` is its output."""

from __future__ import annotations

import argparse
from typing import Any

from persado.settings.reference import reference


def add(commands: Any) -> None:
    """
    Add the command.

    :param commands: where parsers of commands are added
    """
    parser = commands.add_parser("reference", help="print the reference of all settings in Markdown")
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the reference."""
    print(reference(), end="")
    return 0
