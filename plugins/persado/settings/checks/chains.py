"""Checks of orchestrations that wait for each other's deliveries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from persado.settings.delivery import Delivery
from persado.settings.models.workflow import assets
from persado.settings.text.spelling import did_you_mean


def circle(name: str, deliveries: Mapping[str, Delivery]) -> list[str]:
    """
    Return the path from an orchestration, through those that it waits for, back to itself; empty without a circle.

    In a circle, each run would start the next one forever.

    :param deliveries: all deliveries by name
    """
    by_asset = {delivery.asset: other for other, delivery in deliveries.items()}
    paths, seen = [[name]], set()
    for path in paths:  # grows during the loop
        for asset in assets(deliveries[path[-1]].orchestration.workflow):
            other = by_asset.get(asset)
            if other == name:
                return [*path, name]
            if other is not None and other not in seen:
                seen.add(other)
                paths.append([*path, other])
    return []


def unknown_assets(deliveries: Mapping[str, Delivery]) -> Iterator[str]:
    """
    Yield a warning for each asset that is waited for but that no orchestration updates. Another DAG may update it.

    :param deliveries: all deliveries by name
    """
    known = [delivery.asset for delivery in deliveries.values()]
    for name, delivery in deliveries.items():
        for asset in assets(delivery.orchestration.workflow):
            if asset.startswith("persado://") and asset not in known:
                yield f"{name} waits for {asset}, which no orchestration here updates.{did_you_mean(asset, known)}"
