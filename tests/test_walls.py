"""The packages import each other only as pyproject.toml's contracts say, and no module or folder grows too large."""

from __future__ import annotations

import graphlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import grimp
import pytest
from support.paths import REPO, TESTS

PRODUCT = REPO / "plugins" / "persado"
LONGEST_MODULE = 300
MOST_MODULES = 16
MODULES = [path for root in (PRODUCT, TESTS) for path in root.rglob("*.py")]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """
    Check the contracts of this repository.

    :param folder: holds the package
    """
    beside = Path(sys.executable).with_name("lint-imports")
    program = str(beside) if beside.exists() else shutil.which("lint-imports")
    assert program, "lint-imports is missing: run `make lint`"
    return subprocess.run(
        [program, "--no-cache", "--no-logo", REPO / "pyproject.toml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_contracts_hold() -> None:
    done = lint_imports(PRODUCT.parent)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "statement", "complaint"),
    [
        ("pipeline/format/text.py", "import airflow", "persado.pipeline is not allowed to import airflow"),
        (
            "settings/text/spelling.py",
            "if TYPE_CHECKING:\n    from airflow.sdk import DAG",
            "persado.settings is not allowed to import airflow",
        ),
        (
            "pipeline/format/text.py",
            "from persado.pipeline import streamed",
            "persado.pipeline.format is not allowed to import persado.pipeline.streamed",
        ),
        (
            "pipeline/encode/compress.py",
            "from persado.pipeline.encrypt import packets",
            "persado.pipeline.encode is not allowed to import persado.pipeline.encrypt",
        ),
        (
            "settings/text/spelling.py",
            "from persado import pipeline",
            "persado.settings is not allowed to import persado.pipeline",
        ),
        (
            "web/charts.py",
            "from persado.operators import PersadoOperator",
            "persado.web is not allowed to import persado.operators",
        ),
        ("pipeline/courier.py", "", "- persado.pipeline.courier"),
    ],
    ids=["airflow", "type of airflow", "upward", "sideways", "settings", "operators", "unknown module"],
)
def test_contracts_refuse_a_forbidden_import(module: str, statement: str, complaint: str, tmp_path: Path) -> None:
    shutil.copytree(PRODUCT, tmp_path / "persado", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "persado" / module).open("a") as file:
        file.write(f"\n{statement}\n")

    done = lint_imports(tmp_path)

    assert done.returncode == 1, done.stdout + done.stderr
    assert complaint in done.stdout


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("persado", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert imports["persado.cli"]

    graphlib.TopologicalSorter(imports).prepare()


def test_no_module_is_too_long() -> None:
    lengths = {str(path.relative_to(REPO)): len(path.read_text().splitlines()) for path in MODULES}

    assert not {name: length for name, length in lengths.items() if length > LONGEST_MODULE}


def test_no_folder_holds_too_many_modules() -> None:
    sizes = Counter(str(path.parent.relative_to(REPO)) for path in MODULES)

    assert not {name: size for name, size in sizes.items() if size > MOST_MODULES}


def test_every_package_says_what_it_is_for() -> None:
    silent = [
        str(folder.relative_to(REPO))
        for folder in {path.parent for path in PRODUCT.rglob("*.py")}
        if not (folder / "__init__.py").is_file() or not (folder / "__init__.py").read_text().startswith('"""')
    ]

    assert not silent


def test_the_architecture_page_names_every_package() -> None:
    tree = (REPO / "docs" / "architecture.md").read_text()
    packages = {path.parent.name for path in PRODUCT.glob("*/**/__init__.py")}

    assert not {name for name in packages if f" {name}/ " not in tree}
