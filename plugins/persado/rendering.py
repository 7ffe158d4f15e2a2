"""What is told of a template that Airflow cannot render."""

from __future__ import annotations

import traceback

from persado.errors import ConfigurationError


def cannot_render(what: str, error: Exception) -> ConfigurationError:
    """
    Make the error for it, with the line where that is known.

    :param what: the file or field that holds the template
    :param error: what rendering it raised
    """
    # Jinja puts a frame into the traceback that is in the template: in its file, or in "<template>" without one.
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == "<template>" or frame.filename.endswith(f"/{what}")]
    line = getattr(error, "lineno", None) or next(reversed(lines), None)
    return ConfigurationError(f"{what}{f':{line}' if line else ''}: Airflow cannot render it: {error}")
