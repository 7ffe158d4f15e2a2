"""``python -m persado reference``: print the reference of all settings, which is ``docs/settings.md``."""

from __future__ import annotations

import argparse
from typing import Any

from persado.settings.reference import reference


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("reference", help="print the reference of all settings in Markdown")
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the reference."""
    print(reference(), end="")
    return 0
