"""The effective settings of a delivery, and where each one is from."""

from __future__ import annotations

from collections.abc import Mapping

from persado.settings.models.effective import Settings
from persado.settings.text.yaml_text import as_yaml


def effective_settings(settings: Settings, origins: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """
    Give each setting's key, its value as YAML and its origin.

    :param settings: the effective settings
    :param origins: for each key where its value is from; a key that is missing has no origin to show
    """
    values = settings.model_dump(exclude_none=False)
    return [(key, as_yaml(value), origins.get(key, "")) for key, value in values.items()]
