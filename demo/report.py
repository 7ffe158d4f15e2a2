"""Show what was delivered, and check it: receipts, the site's folder, first lines and number of rows of each file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from demo.arrived import MismatchError, count_of_query, count_rows, files_at_the_site, open_file
from demo.deliveries import Delivery
from demo.layout import Layout
from persado.settings import Delivery as Configured

FIRST_LINES = 4


def report(
    layout: Layout, deliveries: Sequence[Delivery], configured: Mapping[str, Configured], console: Console
) -> None:
    """
    Show what was delivered and compare it with the warehouse.

    :param deliveries: successful deliveries
    :param configured: the configuration of each orchestration
    :raises MismatchError: if the files at the site are not those of the receipts and queries
    """
    console.print(receipts(deliveries))
    console.print(listing(layout))
    expected = set[Path]()
    for delivery in deliveries:
        expected |= show_delivery(layout, delivery, configured[delivery.orchestration], console)
    if left_over := set(files_at_the_site(layout)) - expected:
        raise MismatchError(f"the site has files that no receipt lists: {names(layout, left_over)}")


def receipts(deliveries: Sequence[Delivery]) -> Table:
    """Return the receipts as a table."""
    table = Table(title="Receipts", title_justify="left")
    for heading in (
        "orchestration",
        "outcome",
        "file",
        "rows",
        "bytes",
        "SHA-256",
        "PGP key",
        "seconds",
        "success file",
    ):
        right = heading in ("rows", "bytes", "seconds")
        table.add_column(heading, justify="right" if right else "left", no_wrap=heading != "file", overflow="fold")
    for delivery in deliveries:
        receipt = delivery.receipt
        for file in receipt.get("files") or [{}]:
            table.add_row(
                delivery.orchestration,
                receipt.get("outcome", ""),
                file.get("remote_path", ""),
                f"{file.get('rows', 0):,}",
                f"{file.get('bytes', 0):,}",
                f"{file.get('sha256', '')[:8]}…",
                f"…{(receipt.get('key_fingerprint') or '')[-8:]}",
                f"{sum(stage.get('seconds', 0) for stage in receipt.get('stages', [])):.2f}",
                Path(receipt.get("done_path") or "none").suffix,
            )
    return table


def listing(layout: Layout) -> Table:
    """Return the files at the site as a table."""
    table = Table(title="The site's folder, in the order of writing", title_justify="left")
    for heading in ("name", "bytes", "written (UTC)"):
        table.add_column(heading, justify="right" if heading == "bytes" else "left")
    for file in files_at_the_site(layout):
        written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        table.add_row(names(layout, [file]), f"{file.stat().st_size:,}", f"{written:%Y-%m-%d %H:%M:%S}")
    return table


def show_delivery(layout: Layout, delivery: Delivery, configured: Configured, console: Console) -> set[Path]:
    """Show the first lines of a delivery's files, compare the rows, and return the paths of the delivery's files."""
    rows = 0
    paths = [at_the_site(layout, file["remote_path"]) for file in delivery.receipt.get("files", [])]
    for path in paths:
        if not path.is_file():
            raise MismatchError(f"{delivery.orchestration}: {names(layout, [path])} is not at the site")
        texts = open_file(layout, path, configured.settings)
        rows += sum(count_rows(text, configured.settings) for text in texts)
        console.print(Text(f"\n{names(layout, [path])}, decrypted and unpacked, begins:", style="bold"))
        for line in texts[0].splitlines()[:FIRST_LINES]:
            console.print(Text(f"  {line}"), no_wrap=True, overflow="ellipsis")
    expected = count_of_query(layout, configured, delivery)
    counts = f"{delivery.orchestration}: {rows:,} rows decrypted, {expected:,} rows in the query's result"
    if rows != expected or not paths:
        raise MismatchError(f"{counts}: not the same")
    console.print(f"  [green]✓[/green] {counts}", highlight=False)
    done = delivery.receipt.get("done_path")
    return {*paths, *([at_the_site(layout, done)] if done else [])}


def at_the_site(layout: Layout, remote_path: str) -> Path:
    """Return the local path of a path at the site."""
    return layout.site / remote_path.lstrip("/")


def names(layout: Layout, files: Sequence[Path] | set[Path]) -> str:
    """Return the paths of files as the receiver sees them."""
    return ", ".join(sorted(f"/{file.relative_to(layout.site)}" for file in files))


def total(deliveries: Sequence[Delivery]) -> str:
    """Return the numbers of files, rows and bytes in one line."""
    files = [file for delivery in deliveries for file in delivery.receipt.get("files", [])]
    rows = sum(file.get("rows", 0) for file in files)
    return f"{len(files)} files, {rows:,} rows, {decimal(sum(file.get('bytes', 0) for file in files))}"
