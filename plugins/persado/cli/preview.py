"""``python -m persado preview``: show what an orchestration would send, without sending it."""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from persado.cli.config_dir import add_config_dir, config_dir
from persado.cli.show import find
from persado.errors import ConfigurationError
from persado.pipeline.preview import ROWS
from persado.settings import Delivery, load


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "preview",
        help="print the files, columns and first rows that an orchestration would send, and send nothing",
        description="Run the query and print what would be sent, with personal data masked. Nothing is sent or stored."
        " The exit code is 1 if the delivery would fail.",
    )
    parser.add_argument("orchestration", metavar="ORCHESTRATION", help="its file name in orchestrations/ without .yaml")
    add_config_dir(parser)
    parser.add_argument("--rows", type=_rows, default=ROWS, metavar="N", help=f"rows to show (default: {ROWS})")
    parser.add_argument("--count", action="store_true", help="have the database count all rows")
    parser.add_argument(
        "--param",
        type=_param,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the run; can be repeated",
    )
    parser.add_argument(
        "--date",
        type=_date,
        metavar="DATE",
        help="the run's logical date, such as 2026-03-05 or 2026-03-05T08:30+01:00, which determines its data interval;"
        " UTC if it has no time zone (default: now)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """
    Print the preview.

    :return: 0, or 1 if the delivery would fail
    :raises ConfigurationError: if the configuration or the query has a mistake, or Airflow is not installed
    :raises TransientError: if the source is unreachable or busy
    """
    folder = config_dir(arguments)
    text, succeeds = _preview(find(load(folder), arguments.orchestration, folder), arguments)
    print(text, end="")
    return 0 if succeeds else 1


def _preview(delivery: Delivery, arguments: argparse.Namespace) -> tuple[str, bool]:
    try:
        with _quiet():
            from persado.dag.local_preview import preview_run
    except ImportError as error:
        raise ConfigurationError(
            f"a preview needs Airflow, which is not installed here ({error.name}): Airflow looks up the source's"
            " connection and renders the query"
        ) from None
    with _quiet():  # again, because importing Airflow turns its warnings on
        return preview_run(
            delivery,
            logical_date=arguments.date or datetime.now(UTC),
            params=dict(arguments.param),
            rows=arguments.rows,
            count=arguments.count,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the logs and warnings of Airflow and its hooks, so that only the preview is printed."""
    logging.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _rows(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 10_000:
        raise argparse.ArgumentTypeError("expected 0 to 10000")
    return number


def _param(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError("expected NAME=VALUE")
    return name, value


def _date(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a date such as 2026-03-05, got {text!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
