"""The documentation of a DAG, generated from its orchestration: what is sent, where, when, by whom, and how."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from persado.access.rules import access_control, may_hold_pii
from persado.settings import Column, Delivery
from persado.settings.models.workflow import timing
from persado.settings.origins import effective_settings
from persado.settings.text.yaml_text import as_yaml


def doc_text(delivery: Delivery) -> str:
    """Return the description of a delivery in Markdown."""
    return "\n\n".join(_parts(delivery))


def _parts(delivery: Delivery) -> Iterator[str]:
    orchestration, template = delivery.orchestration, delivery.data_template
    if orchestration.description:
        yield _plain(orchestration.description)
    yield _table(["", "this delivery"], [[f"**{name}**", text] for name, text in _facts(delivery)])
    yield "#### Columns"
    if template.columns is None:
        yield "Every column of the query, unchanged."
    else:
        yield _table(["column", "from", "personal data"], [_column(column) for column in template.columns])
    if template.transform:
        yield f"The transform {_code(template.transform)} is applied first."
    if orchestration.params:
        yield "#### Parameters"
        rows = [
            [_code(name), _plain(str(schema.get("description", "")))] for name, schema in orchestration.params.items()
        ]
        yield _table(["parameter", "meaning"], rows)
    yield "#### Settings"
    yield _table(
        ["setting", "value", "set in"],
        [
            [_code(key), _code(value), _plain(origin)]
            for key, value, origin in effective_settings(delivery.settings, delivery.origins)
        ],
    )


def _facts(delivery: Delivery) -> Iterator[tuple[str, str]]:
    orchestration, template, settings = delivery.orchestration, delivery.data_template, delivery.settings
    yield "What", f"{_code(f'queries/{orchestration.query}')}, run in {_code(orchestration.source)}"
    yield "Data template", _named(delivery.data_template_name, template.description)
    yield "Where", _named(delivery.destination_name, delivery.destination.description)
    yield "Connection", _code(delivery.destination.connection)
    yield "Remote folder", _code(settings.remote_dir)
    yield "File", _code(settings.filename_template)
    key = settings.model_dump()["pgp_public_key"]
    yield "Encrypted to", _code(as_yaml(key)) if key else "not encrypted"
    yield "When", _plain(timing(orchestration.workflow))
    rows = orchestration.rows.model_dump(exclude_none=True)
    limits = ", ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in rows.items()) or "no limits"
    yield "Rows", f"{limits}; if empty: {orchestration.on_empty}"
    yield "Personal data", _personal_data(delivery)
    for role, rights in access_control(delivery).items():
        yield role, "may send" if any(rights["DAG Runs"]) else "may not send"
    if orchestration.owner:
        yield "Owner", _plain(orchestration.owner)
    yield "Asset", _code(delivery.asset)


def _personal_data(delivery: Delivery) -> str:
    if delivery.has_pii:
        return "yes, see the columns"
    return "unknown: no columns are listed" if may_hold_pii(delivery) else "no column is marked"


def _column(column: Column) -> list[str]:
    origin = f"constant {_code(as_yaml(column.value))}" if column.constant else _code(column.source)
    return [_code(column.name), origin, "**PII**" if column.pii else ""]


def _named(name: str, description: str) -> str:
    return f"{_code(name)}: {_plain(description)}" if description else _code(name)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    # A bar ends the cell, even inside code.
    lines = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [titles, ["---"] * len(titles), *lines])


def _code(text: str) -> str:
    """Return a text as inline code, whatever characters it holds."""
    text = " ".join(text.split())
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{text}{space}{fence}"


def _plain(text: str) -> str:
    """Escape the special characters of Markdown and HTML."""
    return re.sub(r"([\\`*_\[\]<>#&])", r"\\\1", " ".join(text.split()))
