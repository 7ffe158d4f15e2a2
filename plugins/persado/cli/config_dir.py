"""Which folder of configuration a command works on."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_config_dir(parser: argparse.ArgumentParser) -> None:
    """
    Let a command take the folder as its last argument.

    :param parser: the command's parser
    """
    parser.add_argument(
        "config_dir",
        metavar="DIR",
        nargs="?",
        type=Path,
        help="the folder of configuration; default: $AIRFLOW__PERSADO__CONFIG_DIR, else $AIRFLOW_HOME/include/persado,"
        " else ./include/persado",
    )


def config_dir(arguments: argparse.Namespace) -> Path:
    """
    Give the folder that the user means.

    :param arguments: the parsed arguments
    """
    if arguments.config_dir is not None:
        return Path(arguments.config_dir)
    if configured := os.environ.get("AIRFLOW__PERSADO__CONFIG_DIR"):
        return Path(configured)
    return Path(os.environ.get("AIRFLOW_HOME") or ".") / "include" / "persado"
