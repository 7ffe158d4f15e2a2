"""The queries are Jinja templates: finds what Airflow could not even read."""

from __future__ import annotations

import re
from functools import lru_cache

# Airflow's own, which its environment adds to Jinja's.
_FILTERS = ("ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz")


@lru_cache(maxsize=256)
def template_mistake(text: str) -> tuple[int, str] | None:
    """
    Find the first mistake of a template's syntax, or a filter or test that does not exist.

    Names are not looked up: which ones there are is known when the query is rendered.

    :param text: the query
    :return: the line, and what is wrong there
    """
    if not re.search(r"\{[{%#]", text):
        return None
    from jinja2 import Environment, TemplateSyntaxError  # slow to import, and few queries are templates

    environment = Environment(extensions=["jinja2.ext.do"], autoescape=False)  # noqa: S701 - makes SQL, and only looks
    environment.filters |= dict.fromkeys(_FILTERS, str)
    try:
        environment.compile(text, raw=True)
    except TemplateSyntaxError as error:
        return error.lineno, (error.message or "").rstrip(".")
    return None
