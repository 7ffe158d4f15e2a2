"""One orchestration and the levels above it; a test appends to the files."""

from collections.abc import Mapping
from pathlib import Path

from persado.settings import Delivery, load

LEVELS = {
    "destinations/persado.yaml": "connection: persado_default\n",
    "data_templates/segment.yaml": "destination: persado\n",
    "orchestrations/weekly.yaml": """\
query: segment.sql
source: warehouse_default
data_template: segment
settings: {filename_template: segment.csv}
""",
    "queries/segment.sql": "SELECT 1",
}


def delivery(folder: Path, additions: Mapping[str, str] | None = None, name: str = "weekly") -> Delivery:
    """Load LEVELS with text appended to some files."""
    for file, content in {**dict.fromkeys(additions or {}, ""), **LEVELS}.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + (additions or {}).get(file, ""))
    configuration = load(folder)
    assert configuration.errors == ()
    return configuration.deliveries[name]
