"""The error for a template that Airflow cannot render."""

from __future__ import annotations

import traceback

from persado.errors import ConfigurationError


def cannot_render(what: str, error: Exception) -> ConfigurationError:
    """
    Return the error for a template that cannot be rendered, with the line number if it is known.

    :param what: the file or field that holds the template
    :param error: the error raised by rendering
    """
    line = getattr(error, "lineno", None) or _line(error)
    return ConfigurationError(f"{what}{f':{line}' if line else ''}: Airflow cannot render it: {error}")


def _line(error: Exception) -> int | None:
    """Return the innermost template line in the traceback; Jinja compiles templates to Python."""
    found = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if template := frame.f_globals.get("__jinja_template__"):
            found = template.get_corresponding_lineno(number)
        elif "__jinja_exception__" in frame.f_globals:  # a frame that Jinja rewrote to the template's line
            found = number
    return found
