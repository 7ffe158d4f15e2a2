"""The options of the section ``[persado]`` in Airflow's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow.sdk import ObjectStoragePath
from airflow.sdk.configuration import conf


def config_dir() -> Path:
    """Return ``[persado] config_dir``: the folder of destinations, data templates, orchestrations, queries and keys."""
    return Path(conf.get("persado", "config_dir"))


def stage_root() -> Any:
    """Return ``[persado] stage_uri`` as a local path or an object storage path."""
    uri = conf.get("persado", "stage_uri")
    parts = urlsplit(uri)
    return Path(parts.path) if parts.scheme in ("", "file") else ObjectStoragePath(uri)
