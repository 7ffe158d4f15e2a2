"""The settings, the pipeline and the command line can be imported without Airflow."""

import subprocess
import sys

SCRIPT = """
import importlib, pkgutil, sys

class NoAirflow:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "airflow":
            raise ImportError(f"{name} is imported by code that must work without Airflow")

sys.meta_path.insert(0, NoAirflow())
import persado.__main__
for package in ("settings", "pipeline", "cli"):
    package = importlib.import_module(f"persado.{package}")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
assert not [name for name in sys.modules if name.partition(".")[0] == "airflow"]
"""


def test_settings_pipeline_and_cli_import_without_airflow() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
