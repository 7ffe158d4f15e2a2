"""The ledger as counters, in the text format that Prometheus reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from persado.web.entries import Entry

MEDIA_TYPE = "text/plain; version=0.0.4"

_HELP = {
    "persado_tries": "Deliveries and failed tries in the ledger, by outcome.",
    "persado_rows_delivered": "Rows delivered, as far as the ledger tells.",
    "persado_bytes_delivered": "Bytes delivered, as far as the ledger tells.",
    "persado_last_delivery_timestamp_seconds": "When the last delivery ended, in Unix seconds.",
}


def text(entries: Sequence[Entry]) -> str:
    """
    Write the counters.

    :param entries: deliveries and failed tries, newest first
    """
    values: dict[str, Counter[str]] = {name: Counter() for name in _HELP}
    for entry in entries:
        labels = f'orchestration="{_escaped(entry.dag_id)}"'
        values["persado_tries"][f'{labels},outcome="{_escaped(entry.outcome)}"'] += 1
        if entry.outcome == "delivered":
            values["persado_rows_delivered"][labels] += entry.rows or 0
            values["persado_bytes_delivered"][labels] += entry.bytes or 0
            values["persado_last_delivery_timestamp_seconds"].setdefault(labels, int(entry.finished.timestamp()))
    lines = []
    for name, described in _HELP.items():
        lines += [f"# HELP {name} {described}", f"# TYPE {name} gauge"]
        lines += [f"{name}{{{labels}}} {value}" for labels, value in sorted(values[name].items())]
    return "\n".join(lines) + "\n"


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
