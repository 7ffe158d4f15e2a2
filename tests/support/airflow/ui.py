"""A complete Airflow as `make up` starts it, in a separate folder, and a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from support.paths import REPO

from demo.layout import Layout
from demo.start import Demo, started

CHROMIUM = "/usr/bin/chromium"
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def make_checkout(folder: Path) -> Path:
    """Create a checkout to run from, with links to this one's code and a copy of the configuration."""
    folder.mkdir()
    for name in ("dags", "plugins", "demo", "requirements.lock", "airflow_settings.yaml"):
        (folder / name).symlink_to(REPO / name)
    shutil.copytree(REPO / "include", folder / "include")
    # Share the cached empty database, which takes long to create.
    for path in (REPO / ".demo", REPO / ".demo" / "cache", folder / ".demo"):
        path.mkdir(mode=0o700, exist_ok=True)
    (folder / ".demo" / "cache").symlink_to(REPO / ".demo" / "cache")
    return folder


@contextmanager
def airflow_up(checkout: Path) -> Iterator[Demo]:
    """Start what `make up` starts."""
    with started(Layout(checkout), Console(quiet=True), with_ui=True) as demo:
        yield demo


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()
