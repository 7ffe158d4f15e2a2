"""The command line, ``python -m persado``."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import REPO

from persado.cli import main
from persado.settings import Scheduled, load

EXAMPLE = REPO / "include" / "persado"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """Copy the project's own configuration, and add a key: the real key is never committed."""
    folder = tmp_path / "include" / "persado"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("keys"))
    (folder / "keys").mkdir()
    (folder / "keys" / "persado.asc").write_text("a public key")
    return folder


def test_the_projects_own_configuration_is_valid(example: Path) -> None:
    configuration = load(example)

    assert configuration.errors == ()
    assert list(configuration.deliveries) == ["daily_engagement", "weekly_segment"]
    segment = configuration.deliveries["weekly_segment"]
    assert segment.settings.encoding == "gzip"
    assert segment.settings.pgp_public_key == "persado.asc"
    assert [column.name for column in segment.data_template.columns or () if column.pii] == [
        "birth_dt",
        "gender",
        "state_province_cd",
    ]
    daily = configuration.deliveries["daily_engagement"]
    assert daily.orchestration.workflow == Scheduled(schedule="0 0 * * *", timezone="America/New_York")


def test_validate_prints_each_orchestration_and_its_workflow(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(example)]) == 0

    output = capsys.readouterr()
    assert output.err == ""
    assert output.out == (
        "daily_engagement -> persado, 0 0 * * * (America/New_York)\n"
        "weekly_segment -> persado, manual\n"
        f"2 orchestrations, 2 data templates, 1 destination in {example}: all valid\n"
    )


def test_validate_names_assets(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weekly = example / "orchestrations" / "weekly_segment.yaml"
    weekly.write_text(weekly.read_text().replace("manual", "{when_changed: [customers, mail]}"))

    assert main(["validate", str(example)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "weekly_segment -> persado, when customers and mail changed"


def test_validate_warns_of_an_awaited_delivery_that_no_orchestration_makes(
    example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weekly = example / "orchestrations" / "weekly_segment.yaml"
    waits = "{when_changed: [customers, persado://persado/dayly_engagement, persado://persado/daily_engagement]}"
    weekly.write_text(weekly.read_text().replace("manual", waits))

    assert main(["validate", str(example)]) == 0

    assert capsys.readouterr().err == (
        "warning: weekly_segment waits for persado://persado/dayly_engagement, which no orchestration here updates."
        " Did you mean 'persado://persado/daily_engagement'?\n"
    )


def test_validate_warns_of_a_folder_without_orchestrations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(tmp_path)]) == 0

    assert capsys.readouterr().err == (
        f"warning: nothing will be sent: there is no file in {tmp_path / 'orchestrations'}\n"
    )


def test_validate_prints_each_mistake_on_a_line(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weekly = example / "orchestrations" / "weekly_segment.yaml"
    weekly.write_text(weekly.read_text().replace("query:", "quary:").replace("manual", "weekly"))

    assert main(["validate", str(example)]) == 1

    output = capsys.readouterr()
    assert output.out == ""
    first, second = output.err.splitlines()
    assert first.startswith("orchestrations/weekly_segment.yaml:3: unknown key 'quary'. Did you mean 'query'?")
    assert second.startswith("orchestrations/weekly_segment.yaml:6: workflow: expected manual, ")


def test_show_prints_values_and_origins(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "weekly_segment", str(example)]) == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["encoding", "gzip", "destinations/persado.yaml:9"] in lines
    assert ["line_ending", "LF", "default"] in lines
    assert [
        "filename_template",
        "segment_{{now|format:'yyyy-MM-dd'}}.csv.gz",
        "orchestrations/weekly_segment.yaml:8",
    ] in (lines)
    assert ["birth_dt", "from", "birthdate", "PII"] in lines
    assert ["Hashed_Email"] in lines
    assert ["workflow", "manual", "orchestrations/weekly_segment.yaml:6"] in lines
    assert ["execution", "chained", "default"] in lines
    both = ["destinations/persado.yaml:12", "and", "data_templates/segment.yaml:19"]
    assert ["business", "users", "may", "send", *both] in lines
    assert ["limited", "PII", "may", "not", "send", *both] in lines


def test_show_prints_the_origin_of_keys_outside_the_settings(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example.parent / "mine.py").touch()
    for file, more in (
        ("destinations/persado.yaml", "alerts: [{connection: slack, when: [failure]}]\n"),
        ("data_templates/segment.yaml", "transform: mine:shorten\n"),
        ("orchestrations/weekly_segment.yaml", "change: {fail_above_percent: 50}\n"),
    ):
        with (example / file).open("a") as written:
            written.write(more)

    assert main(["show", "weekly_segment", str(example)]) == 0

    shown = {line.split()[0]: " ".join(line.split()[1:]) for line in capsys.readouterr().out.splitlines() if line}
    assert re.fullmatch(r"persado_site destinations/persado.yaml:\d+", shown["pool"])
    assert re.fullmatch(r"failure by slack destinations/persado.yaml:\d+", shown["alerts"])
    assert re.fullmatch(r"mine:shorten data_templates/segment.yaml:\d+", shown["transform"])
    assert re.fullmatch(r"{fail_above_percent: 50} orchestrations/weekly_segment.yaml:\d+", shown["change"])
    assert re.fullmatch(r"segment data_templates/segment.yaml:\d+", shown["contract"])
    assert re.fullmatch(r"data_templates/segment.yaml:\d+", shown["Columns,"])


def test_show_of_a_name_too_long_for_a_file(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "a" * 300, str(example)]) == 1
    assert capsys.readouterr().err.startswith("there is no orchestration 'aaa")


def test_show_on_a_terminal_that_lacks_a_character(example: Path) -> None:
    (example / "data_templates" / "segment.yaml").write_text("destination: persado\ndescription: Größe\n")

    done = subprocess.run(
        [sys.executable, "-m", "persado", "show", "weekly_segment", example],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert r"segment: Gr\xf6\xdfe" in done.stdout


def test_show_of_a_template_without_columns(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example / "data_templates" / "segment.yaml").write_text("destination: persado\n")

    assert main(["show", "weekly_segment", str(example)]) == 0
    assert "every column of the query, as it comes" in capsys.readouterr().out


def test_show_of_an_unknown_orchestration(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "weekly_segmnt", str(example)]) == 1
    assert main(["show", "zzz", str(example)]) == 1

    first, second = capsys.readouterr().err.splitlines()
    assert first == f"there is no orchestration 'weekly_segmnt' in {example}. Did you mean 'weekly_segment'?"
    assert second == f"there is no orchestration 'zzz' in {example}. There are: daily_engagement, weekly_segment."


def test_show_of_an_orchestration_with_a_mistake(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example / "orchestrations" / "weekly_segment.yaml").write_text("a")

    assert main(["show", "weekly_segment", str(example)]) == 1
    assert capsys.readouterr().err.startswith("orchestrations/weekly_segment.yaml:1: expected keys with values")


def test_schema_writes_to_the_given_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", str(tmp_path / "new")]) == 0

    written = capsys.readouterr().out.splitlines()
    assert written == [
        str(tmp_path / "new" / f"{kind}.schema.json")
        for kind in ("destination", "data_template", "orchestration", "contract")
    ]
    for file in written:
        assert json.loads(Path(file).read_text())["additionalProperties"] is False


def test_schema_reports_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()

    assert main(["schema", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == f"{tmp_path}/file: cannot be written: File exists. Choose another folder.\n"


def test_reference(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reference"]) == 0
    assert capsys.readouterr().out.startswith("# Settings reference\n")


@pytest.mark.parametrize("how", ["config_dir", "home", "here", "config_dir before home", "airflow.cfg"])
def test_default_configuration_folder(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    monkeypatch.delenv("AIRFLOW__PERSADO__CONFIG_DIR", raising=False)
    monkeypatch.delenv("AIRFLOW_HOME", raising=False)
    if how == "here":
        monkeypatch.chdir(tmp_path)
    if how == "home":
        monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    if how.startswith("config_dir"):
        monkeypatch.setenv("AIRFLOW__PERSADO__CONFIG_DIR", str(example))
    if how.endswith("before home"):
        monkeypatch.setenv("AIRFLOW_HOME", "/nowhere")
    if how == "airflow.cfg":
        monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "airflow.cfg").write_text(f"[persado]\nconfig_dir = {example}\n")

    assert main(["validate"]) == 0
    assert main(["schema"]) == 0
    assert "weekly_segment -> persado" in capsys.readouterr().out


def test_invalid_airflow_cfg_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AIRFLOW__PERSADO__CONFIG_DIR", raising=False)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    (tmp_path / "airflow.cfg").write_text("config_dir = here")

    assert main(["validate"]) == 1
    assert (
        capsys.readouterr().err == f"{tmp_path}/airflow.cfg: cannot be read: MissingSectionHeaderError. Fix the file.\n"
    )


def test_validate_reports_a_missing_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path}/nowhere: cannot read the folder")


def test_validate_runs_without_airflow(example: Path) -> None:
    """Run the module in a process where importing Airflow fails."""
    blocked = example / "airflow.py"
    blocked.write_text("raise ImportError('no Airflow here')")

    done = subprocess.run(
        [sys.executable, "-m", "persado", "validate", str(example)],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(example)},
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")


def test_closed_pipe_is_not_an_error(example: Path) -> None:
    show = [sys.executable, "-m", "persado", "reference"]
    with subprocess.Popen(show, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_missing_command_prints_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([])

    assert stopped.value.code == 2
    assert "usage: python -m persado" in capsys.readouterr().err
