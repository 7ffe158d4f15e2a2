"""Which folder of configuration a command works on."""

from __future__ import annotations

import argparse
import os
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from pathlib import Path

from persado.errors import ConfigurationError


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
        help="the folder of configuration; default: $AIRFLOW__PERSADO__CONFIG_DIR, else [persado] config_dir in"
        " $AIRFLOW_HOME/airflow.cfg, else $AIRFLOW_HOME/include/persado, else ./include/persado",
    )


def config_dir(arguments: argparse.Namespace) -> Path:
    """
    Give the folder that the user means.

    :param arguments: the parsed arguments
    """
    if arguments.config_dir is not None:
        return Path(arguments.config_dir)
    if configured := os.environ.get("AIRFLOW__PERSADO__CONFIG_DIR") or _in_airflow_cfg():
        return Path(os.path.expandvars(configured)).expanduser()
    return Path(os.environ.get("AIRFLOW_HOME") or ".") / "include" / "persado"


def _in_airflow_cfg() -> str | None:
    """Read the option where Airflow reads it, without Airflow."""
    file = os.environ.get("AIRFLOW_CONFIG") or Path(os.environ.get("AIRFLOW_HOME") or ".") / "airflow.cfg"
    parser = ConfigParser()
    try:
        parser.read(file, encoding="utf-8")
        return parser.get("persado", "config_dir", fallback=None)
    except (ConfigParserError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {type(error).__name__}. Mend it.") from None
