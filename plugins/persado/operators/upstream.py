"""Whether what a delivery depends on has changed since the last one: ``only_if_changed``."""

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

    A run that a person or another DAG started always goes on; so does one that was cleared, and the first delivery.
    What was updated while the last delivery ran counts as changed: it may have come too late for its query.

    :param context: the task's context
    :param asset: the asset that stands for the delivery, an inlet of the task
    :param upstream: names or URIs of the assets that it depends on; none: the run goes on
    :param log: the task's logger
    :raises AirflowSkipException: if nothing has changed
    """
    run = context["dag_run"]
    if not upstream or asset is None or run.run_type != "scheduled":
        return
    if run.clear_number:
        log.info("The run was cleared: it does not matter whether %s changed", " or ".join(upstream))
        return
    last = Ledger(context, asset).last_delivery()
    if last is None or last.since is None:
        log.info("Nothing was delivered before, so it does not matter whether %s changed", " or ".join(upstream))
        return
    changed = [name for name in upstream if len(_events(name).after(last.since.isoformat()).limit(1))]
    if changed:
        log.info("%s changed since the last delivery began, %s", " and ".join(changed), last.since)
        return
    for name in upstream:
        if not len(_events(name).limit(1)):
            log.warning("The asset %s was never updated. Is its name in only_if_changed spelled right?", name)
    raise AirflowSkipException(
        f"nothing is sent: {', '.join(upstream)} did not change since the last delivery began, {last.since}"
    )


def _events(name: str) -> InletEventsAccessor:
    """Give an asset's events, also of an asset that Airflow does not know (yet), which an inlet could not be."""
    if "://" in name:
        return InletEventsAccessor(asset_uri=known_uri(name))
    return InletEventsAccessor(asset_name=name)


def known_uri(uri: str) -> str:
    """
    Give an asset's URI as Airflow keeps it: it adds ports, takes slashes off and the like.

    :param uri: as a person writes it
    """
    try:
        return Asset(uri=uri).uri
    except ValueError:
        return uri  # no asset can have it
