"""Where each effective setting of a delivery comes from."""

from __future__ import annotations

from collections.abc import Mapping

from persado.settings.models.effective import Settings
from persado.settings.text.yaml_text import as_yaml


def effective_settings(settings: Settings, origins: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """
    Return each setting's key, its value as YAML and its origin.

    :param origins: where each value comes from; a missing key has an empty origin
    """
    values = settings.model_dump(exclude_none=False)
    return [(key, as_yaml(value), origins.get(key, "")) for key, value in values.items()]
