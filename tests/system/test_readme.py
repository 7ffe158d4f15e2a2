"""The README's instructions for a first delivery, carried out with its own commands and files."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

from support.airflow.runs import gpg, pgp_home
from support.paths import REPO
from support.sites.sftp_server import SftpServer

__all__ = ["pgp_home"]

README = (REPO / "README.md").read_text()


def described_files() -> dict[str, str]:
    """Return the YAML files that the README describes: path -> content."""
    return {
        path: re.sub("^   ", "", block, flags=re.MULTILINE)
        for path, block in re.findall(r"`(include/\S+\.yaml)`:\n\n   ```yaml\n(.*?)   ```", README, re.DOTALL)
    }


def test_readme_instructions_lead_to_a_first_delivery(tmp_path: Path, pgp_home: Path) -> None:
    clone = tmp_path / "clone"
    for folder in ("dags", "plugins", "include"):
        shutil.copytree(REPO / folder, clone / folder, ignore=shutil.ignore_patterns("__pycache__", "*.asc"))
    files = described_files()
    assert len(files) == 3
    for path, content in files.items():
        (clone / path).write_text(content)
    (clone / "include/persado/queries/my_segment.sql").write_text("SELECT hash AS Hashed_Email FROM segment\n")
    (clone / "include/persado/keys/persado.asc").write_bytes(gpg(pgp_home, "--armor", "--export"))
    with sqlite3.connect(tmp_path / "warehouse.db") as warehouse:
        warehouse.execute("CREATE TABLE segment AS SELECT 'd41d8cd98f00b204e9800998ecf8427e' AS hash")
    warehouse.close()

    site_folder = tmp_path / "site"
    site_folder.mkdir()
    with SftpServer(site_folder) as server:
        site = server.site()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONPATH"))},
            "AIRFLOW_HOME": str(clone),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_MY_WAREHOUSE": json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "warehouse.db")}),
            "AIRFLOW_CONN_MY_PERSADO": json.dumps(
                {
                    "conn_type": "persado",
                    "host": site.host,
                    "port": site.port,
                    "login": site.login,
                    "password": site.password,
                    "extra": {"host_key": site.host_key},
                }
            ),
        }

        def run(command: str) -> str:
            assert f"   {command}\n" in README
            program, *arguments = command.split()
            arguments = arguments if program == "python" else ["-m", program, *arguments]
            done = subprocess.run(
                [sys.executable, *arguments], cwd=clone, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        run("airflow db migrate")
        # The project's own example files are validated too; their key exists in this clone.
        assert "my_segment -> my_persado, manual" in run("python -m persado validate")
        run("airflow dags test my_segment")

    names = sorted(path.name for path in site_folder.iterdir())
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}\.csv\.gz\.pgp", names[0])
    assert names[1:] == [f"{names[0]}.DONE"]
