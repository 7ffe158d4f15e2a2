"""``python -m persado validate``: print the mistakes in the configuration, or else its orchestrations."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from persado.cli.config_dir import add_config_dir, config_dir
from persado.settings import load
from persado.settings.checks.chains import unknown_assets
from persado.settings.models.workflow import timing


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("validate", help="check all files of the configuration folder")
    add_config_dir(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print each mistake, or each orchestration with its workflow if there are no mistakes."""
    folder = config_dir(arguments)
    configuration = load(folder)
    for error in configuration.errors:
        print(error, file=sys.stderr)
    if configuration.errors:
        return 1
    for warning in unknown_assets(configuration.deliveries):
        print(f"warning: {warning}", file=sys.stderr)
    deliveries = configuration.deliveries.values()
    if not deliveries:
        print(f"warning: nothing will be sent: there is no file in {folder / 'orchestrations'}", file=sys.stderr)
    for delivery in deliveries:
        print(f"{delivery.name} -> {delivery.destination_name}, {timing(delivery.orchestration.workflow)}")
    templates = {delivery.data_template_name for delivery in deliveries}
    destinations = {delivery.destination_name for delivery in deliveries}
    counts = ((len(deliveries), "orchestration"), (len(templates), "data template"), (len(destinations), "destination"))
    print(f"{', '.join(f'{count} {word}' + 's' * (count != 1) for count, word in counts)} in {folder}: all valid")
    return 0
