"""Whether the orchestrations that react to each other's deliveries can do so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from persado.settings.delivery import Delivery
from persado.settings.models.workflow import assets
from persado.settings.text.spelling import did_you_mean


def circle(name: str, deliveries: Mapping[str, Delivery]) -> list[str]:
    """
    Give the way from an orchestration by those that it waits for back to itself; nothing if there is no such way.

    One run in a circle would set the next one going, for ever.

    :param name: the orchestration
    :param deliveries: all that there are, by name
    """
    by_asset = {delivery.asset: other for other, delivery in deliveries.items()}
    ways, seen = [[name]], set()
    for way in ways:  # grows while it is gone through
        for asset in assets(deliveries[way[-1]].orchestration.workflow):
            other = by_asset.get(asset)
            if other == name:
                return [*way, name]
            if other is not None and other not in seen:
                seen.add(other)
                ways.append([*way, other])
    return []


def strangers(deliveries: Mapping[str, Delivery]) -> Iterator[str]:
    """
    Say which deliveries are waited for that no orchestration makes. Another DAG may, so that this is no mistake.

    :param deliveries: all that there are, by name
    """
    known = [delivery.asset for delivery in deliveries.values()]
    for name, delivery in deliveries.items():
        for asset in assets(delivery.orchestration.workflow):
            if asset.startswith("persado://") and asset not in known:
                yield f"{name} waits for {asset}, which no orchestration here updates.{did_you_mean(asset, known)}"
