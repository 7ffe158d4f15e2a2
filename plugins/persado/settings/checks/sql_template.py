"""Check that a query is a valid Jinja template."""

from __future__ import annotations

import re
from functools import lru_cache

# The filters that Airflow adds to Jinja's.
_FILTERS = ("ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz")


@lru_cache(maxsize=256)
def template_mistake(text: str) -> tuple[int, str] | None:
    """
    Return the first syntax error, unknown filter or unknown test of a template.

    Variable names are not checked: they are known only when the query is rendered.

    :return: the line, and what is wrong there
    """
    if not re.search(r"\{[{%#]", text):
        return None
    from jinja2 import Environment, TemplateSyntaxError  # slow to import, and few queries are templates

    environment = Environment(extensions=["jinja2.ext.do"], autoescape=False)  # noqa: S701 - the template is compiled only, and makes SQL
    environment.filters |= dict.fromkeys(_FILTERS, str)
    try:
        environment.compile(text, raw=True)
    except TemplateSyntaxError as error:
        return error.lineno, (error.message or "").rstrip(".")
    return None
