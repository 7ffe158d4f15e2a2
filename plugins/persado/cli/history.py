"""``python -m persado history``: an orchestration's deliveries and failed tries."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persado.cli.config_dir import add_config_dir, config_dir
from persado.cli.show import find
from persado.errors import ConfigurationError
from persado.preview.table import table
from persado.settings import load

if TYPE_CHECKING:
    from persado.ledger.records import Failure
    from persado.pipeline.stage.receipt import Receipt

_HEAD = ("WHEN (UTC)", "OUTCOME", "ROWS", "BYTES", "FILES", "SECONDS", "BY", "RUN", "")


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("history", help="print an orchestration's deliveries and failed tries, newest first")
    parser.add_argument(
        "orchestration", metavar="ORCHESTRATION", help="its name, or an asset such as persado://persado/weekly_segment"
    )
    add_config_dir(parser)
    parser.add_argument("--limit", type=_positive, default=20, metavar="N", help="records to print (default: 20)")
    parser.add_argument("--json", action="store_true", help="print the complete records as a JSON array")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """
    Print the ledger, which is in Airflow's metadata database.

    :raises ConfigurationError: if the orchestration does not exist, or the database cannot be read
    """
    name = arguments.orchestration
    asset = name if "://" in name else _asset(name, config_dir(arguments))
    records = _read(asset, arguments.limit)
    if arguments.json:
        print(json.dumps([record.model_dump(mode="json") for record in records], indent=2))
    elif records:
        print(table([_HEAD, *map(_row, records)]))
    else:
        print(f"{asset}: nothing has been delivered yet, and nothing has failed")
    return 0


def _asset(name: str, folder: Path) -> str:
    """Return the asset of an orchestration, even if its files are gone or invalid."""
    try:
        return find(load(folder), name, folder).asset
    except ConfigurationError:
        with suppress(ConfigurationError), _database():
            from persado.ledger.reader import find_assets

            for asset in find_assets(name):
                return asset
        raise


def _read(asset: str, limit: int) -> Sequence[Receipt | Failure]:
    with _database():
        from persado.ledger.reader import read_history

        return read_history(asset, limit)


@contextmanager
def _database() -> Iterator[None]:
    """Turn errors of Airflow and its database into one line, without their text, which may quote a password."""
    try:
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise _no_airflow(error) from None
    try:
        yield
    except ImportError as error:
        raise _no_airflow(error) from None
    except SQLAlchemyError as error:
        raise ConfigurationError(
            f"Airflow's metadata database cannot be read ({type(error).__name__}). Run this where the scheduler or the"
            " API server runs, with the same Airflow configuration."
        ) from None
    except (ValueError, RuntimeError) as error:
        raise ConfigurationError(
            f"Airflow cannot start here ({type(error).__name__}): run `airflow db check` to see why. Run this where the"
            " scheduler or the API server runs, with the same Airflow configuration."
        ) from None


def _no_airflow(error: ImportError) -> ConfigurationError:
    return ConfigurationError(f"the ledger is in Airflow's database, but Airflow is not installed here ({error.name})")


def _row(record: Any) -> Sequence[str]:
    return (
        f"{record.finished:%Y-%m-%d %H:%M:%S}",
        record.outcome,
        *_measures(record),
        record.triggered_by or "-",
        record.run_id,
        # An error message may have several lines.
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
