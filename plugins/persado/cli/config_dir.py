"""The configuration folder that a command works on."""

from __future__ import annotations

import argparse
import os
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from pathlib import Path

from persado.errors import ConfigurationError


def add_config_dir(parser: argparse.ArgumentParser) -> None:
    """Add the folder as a command's optional last argument."""
    parser.add_argument(
        "config_dir",
        metavar="DIR",
        nargs="?",
        type=Path,
        help="the configuration folder; default: $AIRFLOW__PERSADO__CONFIG_DIR, else [persado] config_dir in"
        " $AIRFLOW_HOME/airflow.cfg, else $AIRFLOW_HOME/include/persado, else ./include/persado",
    )


def config_dir(arguments: argparse.Namespace) -> Path:
    """
    Return the folder given as an argument, or else the configured one.

    :raises ConfigurationError: if airflow.cfg cannot be read
    """
    if arguments.config_dir is not None:
        return Path(arguments.config_dir)
    if configured := os.environ.get("AIRFLOW__PERSADO__CONFIG_DIR") or _in_airflow_cfg():
        return Path(os.path.expandvars(configured)).expanduser()
    return Path(os.environ.get("AIRFLOW_HOME") or ".") / "include" / "persado"


def _in_airflow_cfg() -> str | None:
    """Read the option from Airflow's configuration file, without importing Airflow."""
    file = os.environ.get("AIRFLOW_CONFIG") or Path(os.environ.get("AIRFLOW_HOME") or ".") / "airflow.cfg"
    parser = ConfigParser()
    try:
        parser.read(file, encoding="utf-8")
        return parser.get("persado", "config_dir", fallback=None)
    except (ConfigParserError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {type(error).__name__}. Fix the file.") from None
