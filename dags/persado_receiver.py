"""Example of an Airflow DAG that starts when a delivery is in place, and reads its receipt."""

import logging
from datetime import datetime
from typing import Any

from airflow.sdk import DAG, Asset, task

WEEKLY_SEGMENT = Asset("persado://persado/weekly_segment")

with DAG(
    dag_id="persado_receiver",
    description="Example: runs after each delivery of the weekly segment.",
    schedule=[WEEKLY_SEGMENT],
    start_date=datetime(2020, 1, 1),
    catchup=False,
    tags=["persado", "example"],
):

    @task
    def read_receipts(triggering_asset_events: Any = None) -> list[str]:
        """Log what was delivered; a real DAG would tell somebody, or start what comes next."""
        delivered = []
        for event in triggering_asset_events[WEEKLY_SEGMENT]:
            receipt = event.extra
            for file in receipt["files"]:
                logging.getLogger(__name__).info("%s: %s rows, SHA-256 %s", *file.values())
                delivered.append(file["remote_path"])
        return delivered

    read_receipts()
