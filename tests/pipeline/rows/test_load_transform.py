"""Importing a user's function: where its module is found, and the errors if it cannot be imported."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import yaml
from support.paths import REPO

from persado.errors import ConfigurationError
from persado.pipeline.rows.rows import Rows
from persado.pipeline.rows.user_function import load_transform, transformed
from persado.settings import Contract
from persado.settings.models.data_template import DataTemplate


def test_the_module_may_be_a_package(tmp_path: Path) -> None:
    (tmp_path / "pack_of_mine").mkdir()
    (tmp_path / "pack_of_mine" / "inner.py").write_text("WORD = 'inner'\n")
    (tmp_path / "pack_of_mine" / "__init__.py").write_text(
        "from .inner import WORD\ndef f(frame):\n    return frame.assign(a=WORD)\n"
    )
    assert load_transform("pack_of_mine:f", tmp_path)(pd.DataFrame({"a": [1]}))["a"].to_list() == ["inner"]


def test_the_error_says_what_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_library")
    for specification, problem in (
        ("missing:f", f"there is no file missing.py in {tmp_path} or "),
        ("a.b:f", f"there is no file a/b.py in {tmp_path} or "),
        (
            "broken:f",
            f"{tmp_path}/broken.py cannot be imported: ModuleNotFoundError: No module named 'no_such_library'",
        ),
    ):
        with pytest.raises(ConfigurationError) as caught:
            load_transform(specification, tmp_path)
        assert str(caught.value).startswith(f"transform {specification}: {problem}")
    (tmp_path / "fine.py").write_text("g = 1")
    for name in ("f", "g"):
        with pytest.raises(ConfigurationError, match=rf"fine.py has no function '{name}'"):
            load_transform(f"fine:{name}", tmp_path)


def test_a_module_may_import_its_neighbor_and_define_dataclasses_and_be_in_a_folder(tmp_path: Path) -> None:
    """Runs in a separate process, because the neighbor is imported by its bare name."""
    (tmp_path / "pack").mkdir()
    (tmp_path / "neighbour_of_mine.py").write_text("SUFFIX = '!'\n")
    (tmp_path / "pack" / "deep.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom neighbour_of_mine import SUFFIX\n"
        "@dataclass\nclass Word:\n    text: str\n"
        "def f(frame):\n    return frame.assign(a=Word('x' + SUFFIX).text)\n"
    )
    script = (
        "import pathlib, sys, pandas\nfrom persado.pipeline.rows.user_function import load_transform\n"
        f"print(load_transform('pack.deep:f', pathlib.Path({str(tmp_path)!r}))(pandas.DataFrame({{'a': [1]}}))['a'][0])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("x!\n", "")


def test_a_configuration_outside_of_include_also_searches_airflows_include(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / "include").mkdir(parents=True)
    (tmp_path / "home" / "include" / "far.py").write_text("def f(frame):\n    return 'home'\n")
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    assert load_transform("far:f", tmp_path)(pd.DataFrame()) == "home"
    (tmp_path / "far.py").write_text("def f(frame):\n    return 'beside'\n")
    assert load_transform("far:f", tmp_path)(pd.DataFrame()) == "beside"


def test_the_examples_in_the_docs_work(tmp_path: Path) -> None:
    docs = (REPO / "docs" / "rows.md").read_text()
    (tmp_path / "my_transforms.py").write_text(re.findall(r"```python\n(.*?)```", docs, re.DOTALL)[0])
    function = load_transform("my_transforms:shorten_names", tmp_path)
    batch = pa.RecordBatch.from_pydict({"name": ["Ann", None]})
    [result] = transformed(Rows(("name",), iter([batch]), "dbapi"), function, "m:f").batches
    assert result.to_pydict() == {"name": ["A", None]}

    columns, contract = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", docs, re.DOTALL))
    assert DataTemplate.model_validate({"destination": "persado", **columns}).columns is not None
    assert len(Contract.model_validate(contract).columns) == 3
