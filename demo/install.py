"""
Create `.venv` from requirements.lock; as root, also install Debian packages.

The Debian packages are those in packages.txt, and for the tests also those in packages-dev.txt.

Run as `python3 -m demo.install --for run|test` with Python 3.11 or newer; it uses the standard library only. What is
already installed is left alone, so a second call returns at once. Apart from the Debian packages, nothing is written
outside `.venv`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "persado-installed"

# The lists to install for each purpose.
PACKAGES = {"run": ["packages.txt"], "test": ["packages.txt", "packages-dev.txt"]}
# The packages that `make run` cannot do without, each with its program.
RUN_NEEDS = {"gnupg": "gpg"}

# No cache: everything is installed once, and nothing is left in the home folder.
PIP_OPTIONS = ["--quiet", "--no-cache-dir", "--disable-pip-version-check"]


def main() -> None:
    """Install what is missing; exit with a message where that is not possible."""
    parser = argparse.ArgumentParser(prog="python -m demo.install", description=__doc__)
    parser.add_argument("--for", dest="purpose", choices=["run", "test"], default="run", help="what must work after it")
    purpose = parser.parse_args().purpose
    if sys.version_info < (3, 11):  # noqa: UP036 - the machine's python3 runs this, before anything is installed
        sys.exit(
            f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}. "
            f"Name a newer one: make PYTHON=python3.12 {purpose}"
        )
    install_debian_packages(purpose)
    install_python_packages()


def install_debian_packages(purpose: str) -> None:
    """Install the missing packages if root; otherwise print which ones to install."""
    wanted = [name for file in PACKAGES[purpose] for name in (ROOT / file).read_text(encoding="utf-8").split()]
    missing = [name for name in wanted if not is_installed(name)]
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        apt_install(missing)
        missing = [name for name in missing if not is_installed(name)]
    needed = [name for name in missing if purpose == "test" or name in RUN_NEEDS]
    if missing:
        print(
            f"Debian packages not installed: {' '.join(missing)}. To install them:\n"
            f"  sudo apt-get update && sudo apt-get install --no-install-recommends {' '.join(missing)}",
            file=sys.stderr,
        )
    if needed:
        sys.exit(f"`make {purpose}` needs {' '.join(needed)}: install as above, then run it again.")


def is_installed(package: str) -> bool:
    """Return whether dpkg lists the package as installed; without dpkg, whether its program is on the path."""
    if not shutil.which("dpkg-query"):
        return shutil.which(RUN_NEEDS.get(package, package)) is not None
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout == "installed"


def apt_install(packages: list[str]) -> None:
    """Install Debian packages; print apt's output only if it fails."""
    print(f"Installing Debian packages: {' '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "--quiet"],
        ["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            print(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}", file=sys.stderr)


def install_python_packages() -> None:
    """Make `.venv` hold exactly what requirements.lock lists, and this project, editable."""
    stamp = wanted_state()
    if STAMP.is_file() and STAMP.read_text(encoding="utf-8") == stamp and (VENV / "bin" / "python").exists():
        return
    started = time.monotonic()
    print(f"Installing the pinned requirements into {VENV}", flush=True)
    make_venv()
    STAMP.unlink(missing_ok=True)
    bootstrap_uv()
    lock = str(ROOT / "requirements.lock")
    install(["pip", "sync", "--require-hashes", lock], ["install", "--require-hashes", "-r", lock])
    editable = ["install", "--no-deps", "--editable", str(ROOT)]
    install(["pip", *editable], editable)
    STAMP.write_text(stamp, encoding="utf-8")
    print(f"Installed in {time.monotonic() - started:.0f} s", flush=True)


def wanted_state() -> str:
    """Return a stamp of what the environment is made from; it is recreated when the stamp changes."""
    digest = hashlib.sha256()
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return f"{digest.hexdigest()} {sys.version} {sys.base_prefix} {ROOT}\n"


def make_venv() -> None:
    """Create an empty virtual environment. On Debian that needs the separate package python3.X-venv."""
    if importlib.util.find_spec("ensurepip") is None:
        package = f"python3.{sys.version_info.minor}-venv"
        if os.geteuid() == 0 and shutil.which("apt-get"):
            apt_install([package])
        else:
            sys.exit(f"{sys.executable} cannot create virtual environments. Run: sudo apt-get install {package}")
    run_or_exit([sys.executable, "-m", "venv", "--clear", str(VENV)])


def bootstrap_uv() -> None:
    """Install uv with pip, pinned by version and hash like everything else."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("uv=="))
    end = next(number for number in range(start, len(lines)) if not lines[number].endswith("\\"))
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder) / "uv.txt"
        requirement.write_text("\n".join(lines[start : end + 1]) + "\n", encoding="utf-8")
        pip = [venv_program("python"), "-m", "pip", "install", "--require-hashes", "--no-deps", "-r", str(requirement)]
        run_or_exit([*pip, *PIP_OPTIONS])


def install(by_uv: list[str], by_pip: list[str]) -> None:
    """
    Install with uv, or with pip if uv fails.

    uv does not read pip's configuration, where a company's own package index may be set.
    """
    # Compile now: where PYTHONDONTWRITEBYTECODE is set, every start would take seconds longer.
    options = ["--quiet", "--no-cache", "--compile-bytecode", "--python", venv_program("python")]
    done = subprocess.run([venv_program("uv"), *by_uv, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"uv failed; trying pip, which takes longer:\n{done.stderr.strip()}", file=sys.stderr, flush=True)
        run_or_exit([venv_program("python"), "-m", "pip", *by_pip, *PIP_OPTIONS])


def venv_program(name: str) -> str:
    """Return the path of a program in `.venv`."""
    return str(VENV / "bin" / name)


def run_or_exit(command: list[str]) -> None:
    """Run a command; exit with its output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}".rstrip())


if __name__ == "__main__":
    main()
