"""Check the site as the receiver does: decrypt the files with the private key and count their rows."""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import duckdb
import jinja2

from demo.deliveries import Delivery
from demo.layout import Layout
from demo.pgp import decrypt
from persado.settings import Delivery as Configured
from persado.settings import Settings


class MismatchError(Exception):
    """The files at the site differ from what the delivery should have sent."""


def files_at_the_site(layout: Layout) -> list[Path]:
    """List all files at the site, hidden ones included, oldest first."""
    files = [path for path in layout.site.rglob("*") if path.is_file()]
    return sorted(files, key=lambda path: path.stat().st_mtime_ns)


def open_file(layout: Layout, file: Path, settings: Settings) -> list[str]:
    """
    Decrypt and unpack a file at the site.

    :return: the delimited texts in it: one, unless the file is an archive of parts
    """
    data = decrypt(layout, file) if settings.pgp_public_key else file.read_bytes()
    return [text.decode("utf-8") for text in unpack(data, settings.encoding)]


def unpack(data: bytes, encoding: str) -> list[bytes]:
    """Undo the encoding and return every member; a file that is not an archive has one."""
    match encoding:
        case "gzip":
            return [gzip.decompress(data)]
        case "zip":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return [archive.read(name) for name in archive.namelist()]
        case "tar" | "tgz":
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                members = (archive.extractfile(member) for member in archive if member.isfile())
                return [member.read() for member in members if member is not None]
    return [data]


def count_rows(text: str, settings: Settings) -> int:
    """Count the rows of a delimited text, without the header; line breaks inside values do not end a row."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=settings.field_delimiter,
        escapechar=settings.escape_character,
        doublequote=settings.escape_character is None,
        quoting=csv.QUOTE_NONE if settings.quote_mode == "none" else csv.QUOTE_MINIMAL,
        strict=True,
    )
    return sum(1 for _ in reader) - settings.header


def count_of_query(layout: Layout, configured: Configured, delivery: Delivery) -> int:
    """Count the rows of the query in the warehouse, without using any of the delivery's code."""
    query = jinja2.Template(configured.query_file.read_text(encoding="utf-8")).render(
        data_interval_start=delivery.start, data_interval_end=delivery.end
    )
    with duckdb.connect(str(layout.warehouse), read_only=True) as connection:
        row = connection.execute(f"SELECT count(*) FROM ({query})").fetchone()
    return int(row[0]) if row else 0
