"""Example DAGs that react to a delivery: one is scheduled on its asset, the other waits for its `.DONE` file."""

import logging
from datetime import datetime
from typing import Any

from airflow.sdk import DAG, Asset, task

from persado.sensors import PersadoDoneSensor

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
        """Log the delivered files; a real DAG would notify somebody or start the next step."""
        delivered = []
        for event in triggering_asset_events[WEEKLY_SEGMENT]:
            receipt = event.extra
            for file in receipt["files"]:
                logging.getLogger(__name__).info("%(remote_path)s: %(rows)s rows, SHA-256 %(sha256)s", file)
                delivered.append(file["remote_path"])
        return delivered

    read_receipts()

with DAG(
    dag_id="persado_done_receiver",
    description="Example: waits for today's .DONE file of the weekly segment.",
    schedule=None,
    tags=["persado", "example"],
):

    @task
    def read_done(done: Any) -> str:
        """Log the file that was found; a real DAG would fetch the delivered files or notify somebody."""
        logging.getLogger(__name__).info("%(path)s was written at %(mtime)s", done)
        return str(done["path"])

    wait = PersadoDoneSensor(
        task_id="wait",
        path="/segment_*.DONE",
        persado_conn_id="persado_default",
        newer_than="{{ dag_run.run_after.date() }}",
        timeout=6 * 60 * 60,
    )
    read_done(wait.output)
