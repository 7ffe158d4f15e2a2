"""Files and folders of the configuration that are unreadable, missing or unexpected."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.settings.mistakes import CONTRACT, FILES, ORCHESTRATION, write_tree

from persado.settings import load


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"orchestrations/b.yml": "query: x"},
            "orchestrations/b.yml:1: only files that end in .yaml are read. Rename it to b.yaml.",
        ),
        ({"orchestrations/b c.yaml": "query: x"}, "orchestrations/b c.yaml:1: a name may contain only letters, digits"),
        (
            {f"orchestrations/{'b' * 101}.yaml": "query: x"},
            (
                f"orchestrations/{'b' * 101}.yaml:1: a name may contain only letters, digits, '_', '-' and '.',"
                " at most 100 characters"
            ),
        ),
        ({"orchestrations/b.yaml/c.yaml": "query: x"}, "orchestrations/b.yaml: folders in here are not read."),
        ({"orchestrations/eu/c.yaml": "query: x"}, "orchestrations/eu: folders in here are not read."),
        (
            {"orchestrations/b.yaml": b"query: \xff\n"},
            "orchestrations/b.yaml:1: is not in UTF-8. Save the file as UTF-8.",
        ),
        ({"orchestrations/b.yaml": b"a: 1\nquery: \xff\n"}, "orchestrations/b.yaml:2: is not in UTF-8."),
        ({"contracts/segment.yaml": FILES[CONTRACT]}, "contracts/segment.yaml:1: segment is a built-in contract."),
        ({"orchestration/b.yaml": "query: x"}, None),
    ],
)
def test_files_that_cannot_be_read_are_reported(
    tmp_path: Path, changes: dict[str, str | bytes | None], line: str | None
) -> None:
    configuration = load(write_tree(tmp_path, changes))

    assert [str(error) for error in configuration.errors if line is None or not str(error).startswith(line)] == []
    assert len(configuration.errors) == (line is not None)
    assert list(configuration.deliveries) == ["neighbour", "weekly_segment"]


def test_a_missing_configuration_folder_is_reported(tmp_path: Path) -> None:
    (error,) = load(tmp_path / "nowhere").errors

    assert str(error) == (
        f"{tmp_path}/nowhere: cannot read the folder: No such file or directory."
        " Set AIRFLOW__PERSADO__CONFIG_DIR to another."
    )


def test_a_file_in_place_of_a_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "orchestrations").touch()

    assert "Not a directory" in str(load(tmp_path / "file").errors[0])
    assert (
        str(load(tmp_path).errors[0])
        == "orchestrations: cannot read the folder: Not a directory. Make it a readable folder."
    )


def test_an_empty_folder_is_valid(tmp_path: Path) -> None:
    configuration = load(tmp_path)

    assert (configuration.deliveries, configuration.errors) == ({}, ())


@pytest.mark.parametrize("folder", ["data_templates", "destinations", "queries", "keys"])
def test_files_of_a_missing_folder_are_reported(tmp_path: Path, folder: str) -> None:
    changes = {name: None for name in FILES if name.startswith(f"{folder}/")}

    errors = load(write_tree(tmp_path, changes)).errors

    assert errors
    assert all(f"there is no file {folder}/" in str(error) for error in errors)


def test_a_misspelt_folder_is_reported(tmp_path: Path) -> None:
    write_tree(tmp_path)
    (tmp_path / "orchestrations").rename(tmp_path / "orchestration")

    (error,) = load(tmp_path).errors

    assert str(error) == "orchestration: this folder is not read. Did you mean 'orchestrations'? Rename it."


@pytest.mark.parametrize(
    ("right", "wrong"), [("destinations", "Destination"), ("data_templates", "data-templates"), ("queries", "query")]
)
def test_a_misspelt_folder_is_reported_once_with_all_orchestrations_it_stops(
    tmp_path: Path, right: str, wrong: str
) -> None:
    write_tree(tmp_path)
    (tmp_path / right).rename(tmp_path / wrong)

    (error,) = load(tmp_path).errors

    assert str(error) == (
        f"{wrong}: this folder is not read. Did you mean '{right}'? Rename it. (It stops neighbour, weekly_segment.)"
    )


@pytest.mark.parametrize("kind", ["destinations", "data_templates", "orchestrations"])
@pytest.mark.parametrize("twin", ["{}.yml", "{}.YAML", "{}/x", "{}.yaml.d/x"])
def test_an_ignored_file_does_not_hide_a_file_of_the_same_name(tmp_path: Path, kind: str, twin: str) -> None:
    name = {"destinations": "persado", "data_templates": "segment", "orchestrations": "weekly_segment"}[kind]

    configuration = load(write_tree(tmp_path, {f"{kind}/{twin.format(name)}": "text"}))

    assert len(configuration.errors) == 1
    assert list(configuration.deliveries) == ["neighbour", "weekly_segment"]


def test_missing_permissions_are_reported(tmp_path: Path) -> None:
    """Load in a process of another user, because root may read everything."""
    folder = write_tree(tmp_path / "shown" / "to" / "all")
    script = (
        "import os, pathlib, sys\nfrom persado.settings import load\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "assert not load(folder).errors\n"  # and imports everything that it needs
        "for kind, mode in (('orchestrations', 0o444), ('data_templates', 0), ('queries', 0)):\n"
        "    (folder / kind).chmod(mode)\n"
        "    if pid := os.fork():\n"
        "        os.waitpid(pid, 0)\n"
        "        (folder / kind).chmod(0o755)\n"
        "    else:\n"
        "        os.chdir(folder)\n"
        "        os.getuid() or os.setuid(65534)\n"
        "        print(*load(pathlib.Path('.')).errors, sep='\\n', flush=True)\n"
        "        os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=False)

    unread, denied = (
        "cannot read the folder: Permission denied. Make it a readable folder.",
        "cannot be read: Permission denied.",
    )
    assert (done.stdout.splitlines(), done.stderr) == (
        [
            f"orchestrations: {unread}",
            f"data_templates: {unread} (It stops neighbour, weekly_segment.)",
            f"queries/plain.sql:1: {denied} Check the file's permissions. (It stops neighbour.)",
            f"queries/segment.sql:1: {denied} Check the file's permissions. (It stops weekly_segment.)",
        ],
        "",
    )


def test_a_file_that_is_too_large_is_reported(tmp_path: Path) -> None:
    (error,) = load(write_tree(tmp_path, {"orchestrations/b.yaml": "#" * 5_000_001})).errors

    assert str(error) == "orchestrations/b.yaml:1: is larger than 5,000,000 bytes. Is it the right file?"


def test_broken_links_are_reported(tmp_path: Path) -> None:
    write_tree(tmp_path)
    (tmp_path / "orchestrations" / "broken.yaml").symlink_to("nowhere")
    (tmp_path / "orchestrations" / "loop.yaml").symlink_to("loop.yaml")

    errors = [str(error) for error in load(tmp_path).errors]

    assert errors == [
        "orchestrations/broken.yaml:1: is not a regular file. Put a file there.",
        "orchestrations/loop.yaml:1: is not a regular file. Put a file there.",
    ]


@pytest.mark.parametrize("name", ["weekly.yaml", "weekly.yml"])
def test_a_file_outside_the_folders_is_reported(tmp_path: Path, name: str) -> None:
    configuration = load(write_tree(tmp_path, {name: FILES[ORCHESTRATION]}))

    assert [str(error) for error in configuration.errors] == [
        f"{name}:1: is not read here. Move it into destinations, data_templates, orchestrations or contracts."
    ]
    assert "weekly_segment" in configuration.deliveries


def test_other_files_are_ignored(tmp_path: Path) -> None:
    changes = {
        "orchestrations/README.md": "text",
        "orchestrations/.hidden.yaml": "text",
        "orchestrations/.git/x": "text",
        "notes/x": "text",
    }

    assert load(write_tree(tmp_path, changes)).errors == ()
