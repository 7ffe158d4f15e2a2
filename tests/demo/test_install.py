"""The messages of demo.install, and what it must not touch; tests/system/test_make_run.py runs a real installation."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import REPO


def install(folder: Path, purpose: str) -> subprocess.CompletedProcess[str]:
    """Run demo.install in a copy of the project, as on a machine without apt and dpkg."""
    for name in ("demo", "requirements.lock", "pyproject.toml"):
        source = REPO / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder)
    command = [sys.executable, "-m", "demo.install", "--for", purpose]
    return subprocess.run(command, cwd=folder, env={"PATH": ""}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("purpose", ["run", "test"])
def test_names_missing_debian_packages_that_it_cannot_install(tmp_path: Path, purpose: str) -> None:
    (tmp_path / "packages.txt").write_text("gnupg\nopenssh-client\n")
    (tmp_path / "packages-dev.txt").write_text("unzip\n")
    done = install(tmp_path, purpose)
    missing = {"run": "gnupg openssh-client", "test": "gnupg openssh-client unzip"}[purpose]
    needed = {"run": "gnupg", "test": missing}[purpose]
    assert done.returncode == 1
    assert f"sudo apt-get install --no-install-recommends {missing}\n" in done.stderr
    assert f"`make {purpose}` needs {needed}: install as above" in done.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("name", ["packages.txt", "packages-dev.txt"])
def test_package_lists_have_one_sorted_name_a_line(name: str) -> None:
    lines = (REPO / name).read_text().splitlines()
    assert lines == sorted(lines)
    assert all(line.strip() == line and line and "#" not in line for line in lines)


def test_make_help_lists_every_public_target() -> None:
    # Under `make test`, an inner make would print the folder that it enters.
    command = ["make", "--no-print-directory"]
    shown = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True).stdout
    targets = [line.split()[1] for line in shown.splitlines()]
    assert targets == ["help", "run", "up", "check", "test", "soak", "bench", "lint", "format", "lock", "clean"]
