"""``python -m persado history``: what an orchestration has delivered, and which tries failed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from persado.cli.config_dir import add_config_dir, config_dir
from persado.cli.show import find
from persado.errors import ConfigurationError
from persado.settings import load
from persado.text_table import table

if TYPE_CHECKING:
    from persado.ledger import Failure
    from persado.pipeline.receipt import Receipt

_HEAD = ("WHEN (UTC)", "OUTCOME", "ROWS", "BYTES", "FILES", "SECONDS", "BY", "RUN", "")


def add(commands: Any) -> None:
    """
    Add the command.

    :param commands: where parsers of commands are added
    """
    parser = commands.add_parser("history", help="print an orchestration's deliveries and failed tries, newest first")
    parser.add_argument(
        "orchestration", metavar="ORCHESTRATION", help="its name, or an asset such as persado://persado/weekly_segment"
    )
    add_config_dir(parser)
    parser.add_argument("--limit", type=_positive, default=20, metavar="N", help="how many records (default: 20)")
    parser.add_argument("--json", action="store_true", help="print the whole records as a JSON array")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """
    Print the ledger, which is in Airflow's metadata database.

    :param arguments: the parsed arguments
    :raises ConfigurationError: if there is no such orchestration, or no database
    """
    asset = arguments.orchestration
    if "://" not in asset:
        folder = config_dir(arguments)
        asset = find(load(folder), asset, folder).asset
    records = _read(asset, arguments.limit)
    if arguments.json:
        print(json.dumps([record.model_dump(mode="json") for record in records], indent=2))
    elif records:
        print(table([_HEAD, *map(_row, records)]))
    else:
        print(f"{asset}: nothing has been delivered yet, and nothing has failed")
    return 0


def _read(asset: str, limit: int) -> Sequence[Receipt | Failure]:
    try:
        from sqlalchemy.exc import SQLAlchemyError

        from persado.ledger_reader import read_history
    except ImportError as error:
        raise ConfigurationError(f"the ledger is kept by Airflow, which is not installed here ({error.name})") from None
    try:
        return read_history(asset, limit)
    except SQLAlchemyError as error:
        # The error's text may quote the database's address, with its password.
        raise ConfigurationError(
            f"Airflow's metadata database cannot be read ({type(error).__name__}). Run this where the scheduler or the"
            " API server runs, with the same configuration of Airflow."
        ) from None


def _row(record: Any) -> Sequence[str]:
    return (
        f"{record.finished:%Y-%m-%d %H:%M:%S}",
        record.outcome,
        *_measures(record),
        record.triggered_by or "-",
        record.run_id,
        # one line, whatever an error says
        " ".join(f"{record.stage}: {record.error}: {record.message}".split()) if record.outcome == "failed" else "",
    )


def _measures(record: Any) -> Iterator[str]:
    if record.outcome == "failed":
        yield from ("-",) * 4
        return
    yield f"{record.rows:,}"
    yield f"{sum(file.bytes for file in record.files):,}"
    yield f"{len(record.files)}"
    yield f"{(record.finished - record.started).total_seconds():.1f}"


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected 1 or more")
    return number
