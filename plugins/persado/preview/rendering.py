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
    line = getattr(error, "lineno", None) or _line(error)
    return ConfigurationError(f"{what}{f':{line}' if line else ''}: Airflow cannot render it: {error}")


def _line(error: Exception) -> int | None:
    """Find the last line of a template on the way to the error: Jinja compiles templates to Python, line by line."""
    found = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if template := frame.f_globals.get("__jinja_template__"):
            found = template.get_corresponding_lineno(number)
        elif "__jinja_exception__" in frame.f_globals:  # a frame that Jinja has made, with the template's own line
            found = number
    return found
