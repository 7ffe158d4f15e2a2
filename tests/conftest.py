"""Set the environment before anything imports Airflow: a separate home, and none of the user's settings."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

_REPO = Path(__file__).parents[1]
_HOME = Path(tempfile.mkdtemp(prefix="persado-tests-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)

for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[name]
os.environ |= {
    "AIRFLOW_HOME": str(_HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(_REPO / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(_REPO / "plugins"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__PERSADO__CONFIG_DIR": str(_HOME / "persado"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that sets the length of the soak test."""
    parser.addoption("--soak", type=int, default=20, metavar="N", help="deliveries in a row over a bad line (20)")
