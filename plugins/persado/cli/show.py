"""``python -m persado show``: an orchestration's effective settings, and where each comes from."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from persado.cli.config_dir import add_config_dir, config_dir
from persado.errors import ConfigurationError
from persado.preview.table import table
from persado.settings import Configuration, Delivery, load
from persado.settings.files.folder import is_missing
from persado.settings.models.alerts import Alert
from persado.settings.models.workflow import timing
from persado.settings.origins import effective_settings
from persado.settings.text.spelling import did_you_mean
from persado.settings.text.yaml_text import as_yaml


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("show", help="print an orchestration's effective settings and where they come from")
    parser.add_argument("orchestration", metavar="ORCHESTRATION", help="its file name in orchestrations/ without .yaml")
    add_config_dir(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """
    Print an orchestration with everything that it inherits.

    :raises ConfigurationError: if the orchestration does not exist or is invalid
    """
    folder = config_dir(arguments)
    delivery = find(load(folder), arguments.orchestration, folder)
    columns = delivery.places.get("columns", "default")
    for title, rows in (
        (f"Orchestration {delivery.name}", list(_overview(delivery))),
        ("Settings", effective_settings(delivery.settings, delivery.origins)),
        (f"Columns, {columns}", list(_columns(delivery))),
    ):
        print(f"{title}\n{table(rows)}\n")
    return 0


def find(configuration: Configuration, name: str, folder: Path) -> Delivery:
    """
    Return the delivery of an orchestration.

    :param folder: where the configuration was loaded from
    :raises ConfigurationError: if there is no such orchestration, with a similar name as a hint; if it is invalid, with
        the mistakes of the configuration
    """
    if name in configuration.deliveries:
        return configuration.deliveries[name]
    if not is_missing(folder / "orchestrations" / f"{name}.yaml"):
        raise ConfigurationError("\n".join(str(error) for error in configuration.errors))
    known = list(configuration.deliveries)
    guess = did_you_mean(name, known) or (f" There are: {', '.join(known)}." if known else "")
    raise ConfigurationError(f"there is no orchestration {name!r} in {folder}.{guess}")


def _overview(delivery: Delivery) -> Iterator[Sequence[str]]:
    orchestration, template = delivery.orchestration, delivery.data_template
    for name, key, value in (
        ("description", "description", orchestration.description),
        ("query", "query", f"queries/{orchestration.query}"),
        ("source", "source", orchestration.source),
        ("data template", "data_template", f"{delivery.data_template_name}: {template.description}"),
        ("destination", "destination", f"{delivery.destination_name}: {delivery.destination.description}"),
        ("connection", "connection", delivery.destination.connection),
        ("pool", "pool", delivery.destination.pool),
        ("workflow", "workflow", timing(orchestration.workflow)),
        ("execution", "execution", orchestration.execution),
        ("transform", "transform", template.transform),
        ("contract", "contract", template.contract),
        ("rows", "rows", as_yaml(orchestration.rows.model_dump(exclude_none=True))),
        ("change", "change", as_yaml(orchestration.change and orchestration.change.model_dump())),
        ("on_empty", "on_empty", orchestration.on_empty),
        ("params", "params", ", ".join(orchestration.params)),
        ("campaign_name", "campaign_name", orchestration.campaign_name),
        ("group_name", "group_name", orchestration.group_name),
        ("business users", "access", "may send" if delivery.access.business_users else "may not send"),
        ("limited PII", "access", "may send" if delivery.access.limited_pii else "may not send"),
        ("alerts", "alerts", "; ".join(map(_alert, delivery.alerts))),
    ):
        if value:
            yield name, " ".join(value.split()), delivery.places.get(key, "default")
    yield "asset", delivery.asset, ""


def _alert(alert: Alert) -> str:
    to = f" to {', '.join(alert.to)}" if alert.to else ""
    return f"{', '.join(alert.when)} by {alert.connection}{to}"


def _columns(delivery: Delivery) -> Iterator[Sequence[str]]:
    columns = delivery.data_template.columns
    if columns is None:
        yield ("every column of the query, as it comes",)
    for column in columns or ():
        yield column.name, column.origin, "PII" if column.pii else ""
