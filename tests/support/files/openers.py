"""The independent programs that receivers use to unpack archives and open OpenPGP messages."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def run(*command: str | Path, cwd: Path | None = None) -> bytes:
    """Run a program in a UTF-8 locale; return its output."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, input=b"", env=environment).stdout


def unpacked(archive: Path, encoding: str) -> dict[str, bytes]:
    """Unpack with the program for the format; return the members in the order of the archive."""
    folder = archive.with_name(f"{archive.name}.unpacked")
    folder.mkdir()
    if encoding == "zip":
        run("unzip", "-q", archive, "-d", folder)
        names = run("unzip", "-Z1", archive).decode().splitlines()
    else:
        names = run("tar", "--quoting-style=literal", "-xvf", archive, "-C", folder).decode().splitlines()
    files = (path for path in folder.rglob("*") if path.is_file())
    assert sorted(path.relative_to(folder).as_posix() for path in files) == sorted(names)
    return {name: (folder / name).read_bytes() for name in names}


def opened(program: str, private: str, message: bytes, folder: Path, *options: str) -> bytes:
    """Decrypt a message with sq or rnp and the receiver's private key; fail if the program refuses it."""
    key, file, result = folder / "private.asc", folder / "message", folder / "clear"
    result.unlink(missing_ok=True)
    key.write_text(private)
    file.write_bytes(message)
    command: list[str | Path] = ["sq", "decrypt", "--recipient-key", key, "--output", result, *options, file]
    if program == "rnp":
        command = ["rnp", "--homedir", folder, "--keyfile", key, "--decrypt", file, "--output", result, "--notty"]
    run(*command)
    return result.read_bytes()
