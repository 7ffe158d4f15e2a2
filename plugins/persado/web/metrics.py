"""The ledger's counts as metrics in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Sequence

from persado.web.listing import Tally

MEDIA_TYPE = "text/plain; version=0.0.4"

_HELP = {
    "persado_tries": "Deliveries and failed tries in the ledger, by outcome.",
    "persado_last_try_timestamp_seconds": "When the latest delivery or failed try ended, by outcome, in Unix seconds.",
    "persado_last_delivery_rows": "Rows of the latest delivery.",
    "persado_last_delivery_bytes": "Bytes of the latest delivery at the site.",
    "persado_last_delivery_seconds": "How long the latest delivery took.",
}


def text(tallies: Sequence[Tally]) -> str:
    """Return the metrics."""
    values: dict[str, list[tuple[str, float]]] = {name: [] for name in _HELP}
    for tally in tallies:
        latest = tally.latest
        dag = f'orchestration="{_escaped(latest.dag_id)}"'
        labels = f'{dag},outcome="{_escaped(latest.outcome)}"'
        values["persado_tries"].append((labels, tally.tries))
        values["persado_last_try_timestamp_seconds"].append((labels, int(latest.finished.timestamp())))
        if latest.outcome == "delivered":
            values["persado_last_delivery_rows"].append((dag, latest.rows or 0))
            values["persado_last_delivery_bytes"].append((dag, latest.bytes or 0))
            values["persado_last_delivery_seconds"].append((dag, latest.seconds or 0))
    lines = []
    for name, description in _HELP.items():
        lines += [f"# HELP {name} {description}", f"# TYPE {name} gauge"]
        lines += [f"{name}{{{labels}}} {value}" for labels, value in values[name]]
    return "\n".join(lines) + "\n"


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
