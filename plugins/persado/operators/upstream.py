"""The setting ``only_if_changed``: skip a scheduled run if no upstream asset has changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import InletEventsAccessor

from persado.ledger.writer import Ledger

if TYPE_CHECKING:
    from airflow.sdk import Context


def skip_unless_changed(context: Context, asset: Asset | None, upstream: Sequence[str], log: Any) -> None:
    """
    Skip a scheduled run if no upstream asset was updated since the last delivery began.

    These are never skipped: a run started by a person or another DAG, a run that was cleared, the first delivery.
    An update during the last delivery counts as a change: it may have come too late for its query.

    :param asset: the asset of the delivery, an inlet of the task
    :param upstream: names or URIs of the assets that the delivery depends on; if empty, the run is never skipped
    :raises AirflowSkipException: if nothing has changed
    """
    run = context["dag_run"]
    if not upstream or asset is None or run.run_type != "scheduled":
        return
    if run.clear_number:
        log.info("The run was cleared: not checking whether %s changed", " or ".join(upstream))
        return
    last = Ledger(context, asset).last_delivery()
    if last is None or last.since is None:
        log.info("There is no earlier delivery: not checking whether %s changed", " or ".join(upstream))
        return
    changed = [name for name in upstream if len(_events(name).after(last.since.isoformat()).limit(1))]
    if changed:
        log.info("%s changed since the last delivery began at %s", " and ".join(changed), last.since)
        return
    for name in upstream:
        if not len(_events(name).limit(1)):
            log.warning("The asset %s was never updated. Check its spelling in only_if_changed", name)
    raise AirflowSkipException(
        f"nothing is sent: {', '.join(upstream)} did not change since the last delivery began at {last.since}"
    )


def _events(name: str) -> InletEventsAccessor:
    """Return an asset's events; unlike an inlet, the asset does not have to exist in Airflow yet."""
    if "://" in name:
        return InletEventsAccessor(asset_uri=known_uri(name))
    return InletEventsAccessor(asset_name=name)


def known_uri(uri: str) -> str:
    """Return an asset's URI as Airflow stores it, for example with default ports added and slashes stripped."""
    try:
        return Asset(uri=uri).uri
    except ValueError:
        return uri  # not a valid asset URI, so no asset has it
