"""A small valid configuration, into which each test puts one mistake."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from persado.settings import load

FILES = {
    "destinations/persado.yaml": """\
description: Sends query results to Persado
connection: persado_default
settings:
  remote_folder: /
  file_format: csv
  quote_mode: special_characters
  header: true
  encoding: gzip
  pgp_public_key: persado.asc
access: {business_users: true, limited_pii: false}
pool: persado_site
""",
    "data_templates/segment.yaml": """\
destination: persado
description: Weekly segment
columns:
  - {name: Hashed_Email}
  - {name: birth_dt, from: birthdate, pii: true}
settings:
  null_text: ""
access: {business_users: true, limited_pii: true}
contract: loyal
""",
    "contracts/loyal.yaml": """\
description: Loyal customers
columns:
  - {name: Hashed_Email, type: md5_hex, nullable: false}
  - {name: points, type: integer, required: false}
""",
    "orchestrations/weekly_segment.yaml": """\
description: The whole segment
query: segment.sql
source: warehouse_default
data_template: segment
workflow: {schedule: "30 8 * * 1", timezone: America/New_York}
settings:
  filename_template: "segment_{{now|format:'yyyy-MM-dd'}}.csv.gz"
  line_ending: LF
execution: chained
rows: {fail_below: 1}
on_empty: fail
params:
  since: {type: string, default: "2026-01-01"}
start_date: 2026-01-01
""",
    # Shares nothing with the other files, so no mistake in them may affect it.
    "destinations/elsewhere.yaml": "connection: elsewhere\n",
    "data_templates/plain.yaml": "destination: elsewhere\n",
    "orchestrations/neighbour.yaml": """\
query: plain.sql
source: warehouse_default
data_template: plain
settings: {filename_template: plain.csv}
""",
    "queries/segment.sql": "SELECT 1\n",
    "queries/plain.sql": "SELECT 2\n",
    "keys/persado.asc": "a public key\n",
}

DESTINATION = "destinations/persado.yaml"
TEMPLATE = "data_templates/segment.yaml"
CONTRACT = "contracts/loyal.yaml"
ORCHESTRATION = "orchestrations/weekly_segment.yaml"


@dataclass(frozen=True)
class Mistake:
    """
    A mistake and the error expected for it.

    :param file: the file that contains it
    :param old: the correct text that it replaces; None: the whole file
    :param new: the wrong text
    :param line: the line that the error names
    :param texts: texts that the error contains besides the place
    """

    file: str
    old: str | None
    new: str
    line: int
    texts: tuple[str, ...]


def in_destination(old: str | None, new: str, line: int, *texts: str) -> Mistake:
    return Mistake(DESTINATION, old, new, line, texts)


def in_template(old: str | None, new: str, line: int, *texts: str) -> Mistake:
    return Mistake(TEMPLATE, old, new, line, texts)


def in_contract(old: str | None, new: str, line: int, *texts: str) -> Mistake:
    return Mistake(CONTRACT, old, new, line, texts)


def in_orchestration(old: str | None, new: str, line: int, *texts: str) -> Mistake:
    return Mistake(ORCHESTRATION, old, new, line, texts)


def write_tree(folder: Path, changes: Mapping[str, str | bytes | None] | None = None) -> Path:
    """
    Write FILES with changes, and return the folder.

    :param changes: other contents for some files; None leaves a file out
    """
    for name, content in {**FILES, **(changes or {})}.items():
        if content is None:
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def assert_reported(mistake: Mistake, folder: Path) -> None:
    """Check that a mistake yields one error with file, line, problem and fix, and affects no other delivery."""
    right = FILES[mistake.file]
    assert mistake.old is None or right.count(mistake.old) == 1
    wrong = mistake.new if mistake.old is None else right.replace(mistake.old, mistake.new)

    configuration = load(write_tree(folder, {mistake.file: wrong}))

    (error,) = configuration.errors
    assert re.fullmatch(rf"{mistake.file}:{mistake.line}: .+[.?)]", str(error))
    for text in mistake.texts:
        assert text in str(error)
    assert str(error).endswith(" (It stops weekly_segment.)") == (mistake.file != ORCHESTRATION)
    assert list(configuration.deliveries) == ["neighbour"]
