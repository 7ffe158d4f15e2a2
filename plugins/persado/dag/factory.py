"""Builds an Airflow DAG from an orchestration, without validation or I/O: the orchestration is already validated."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import DAG, Asset, BaseOperator, CronDataIntervalTimetable, Param
from airflow.sdk.configuration import conf

from persado.access.rules import access_control, may_hold_pii
from persado.dag.alerts import failure_callbacks, success_callbacks
from persado.dag.doc import doc_text
from persado.operators import (
    PersadoDeliverOperator,
    PersadoEncodeOperator,
    PersadoEncryptOperator,
    PersadoExtractOperator,
    PersadoFormatOperator,
    PersadoSuccessFileOperator,
    PersadoUploadOperator,
)
from persado.operators.gate import GATE, PersadoGateOperator
from persado.operators.run_params import run_params
from persado.operators.upstream import known_uri
from persado.settings import Delivery, Scheduled, WhenChanged
from persado.settings.param_guard import guarded

RETRIES = 5
"""Number of retries after a transient error; :mod:`persado.retries` sets the pauses."""

# A start date in the past: with catchup off, the schedule begins at its next interval.
_LONG_AGO = datetime(2020, 1, 1)  # naive; the schedule's time zone is added below


def make_dag(delivery: Delivery) -> DAG:
    """Return the DAG of an orchestration."""
    orchestration = delivery.orchestration
    owner = orchestration.owner or "persado"
    with DAG(
        dag_id=delivery.name,
        description=orchestration.description or None,
        schedule=_schedule(delivery),
        start_date=_start(delivery),
        catchup=False,
        max_active_runs=1,  # two runs may write the same file name
        # In a paused DAG, a manual run would stay queued, and business users may not unpause it.
        is_paused_upon_creation=False if orchestration.workflow == "manual" else None,
        params={name: _param(schema) for name, schema in orchestration.params.items()} | run_params(),
        tags=sorted(
            {"persado", delivery.destination_name, *orchestration.tags, *(["pii"] if delivery.has_pii else [])}
        ),
        template_searchpath=str(delivery.config_dir / "queries"),
        default_args={
            "owner": owner,
            "retries": RETRIES,
            "on_failure_callback": failure_callbacks(delivery.alerts),
        },
        owner_links={owner: orchestration.owner_link} if orchestration.owner_link else {},
        doc_md=doc_text(delivery),
    ) as dag:
        _stages(delivery)
        if delivery.has_pii:
            _gate(delivery, dag)
    # Airflow's FabAuthManager refuses a DAG with unknown roles, and only this project's auth manager creates them. Set
    # as an attribute: as an argument of DAG it logs a warning for each DAG at each parse.
    if not conf.get("core", "auth_manager").endswith(".FabAuthManager"):
        dag.access_control = access_control(delivery)
    return dag


def _gate(delivery: Delivery, dag: DAG) -> None:
    first_tasks = list(dag.roots)
    asset = Asset(name=delivery.asset, uri=delivery.asset)
    PersadoGateOperator(task_id=GATE, access=delivery.access, asset=asset) >> first_tasks


def _param(schema: dict[str, Any]) -> Param:
    return Param(**guarded(schema))


def _schedule(delivery: Delivery) -> Any:
    workflow = delivery.orchestration.workflow
    if isinstance(workflow, Scheduled):
        return CronDataIntervalTimetable(workflow.schedule, timezone=workflow.timezone)
    if isinstance(workflow, WhenChanged):
        return [
            Asset.ref(uri=known_uri(name)) if "://" in name else Asset.ref(name=name) for name in workflow.when_changed
        ]
    return None


def _start(delivery: Delivery) -> datetime:
    workflow = delivery.orchestration.workflow
    zone = ZoneInfo(workflow.timezone if isinstance(workflow, Scheduled) else "UTC")
    day = delivery.orchestration.start_date
    return datetime(day.year, day.month, day.day, tzinfo=zone) if day else _LONG_AGO.replace(tzinfo=zone)


def _stages(delivery: Delivery) -> None:
    orchestration, settings = delivery.orchestration, delivery.settings
    asset = Asset(name=delivery.asset, uri=delivery.asset)
    shared: dict[str, Any] = {"settings": settings, "asset": asset}
    site: dict[str, Any] = {
        **shared,
        "persado_conn_id": delivery.destination.connection,
        "destination": delivery.destination_name,
    }
    if delivery.destination.pool:
        site["pool"] = delivery.destination.pool
    keys_folder = delivery.config_dir / "keys"

    source: dict[str, Any] = {
        "sql": orchestration.query,
        "conn_id": orchestration.source,
        "columns": delivery.data_template.columns,
        "transform": delivery.data_template.transform,
        "transform_folder": delivery.config_dir.parent,
        "contract": delivery.contract,
        "rows": orchestration.rows,
        "change": orchestration.change,
        "on_empty": orchestration.on_empty,
        "orchestration": delivery.name,
        "campaign_name": orchestration.campaign_name,
        "group_name": orchestration.group_name,
        "keys_folder": keys_folder,
        "only_if_changed": getattr(orchestration.workflow, "only_if_changed", ()),
        "origins": delivery.origins,
        "persado_conn_id": delivery.destination.connection,
        # Without a gate, the task that reads the data checks access.
        "access": None if delivery.has_pii else delivery.access,
        "pii": may_hold_pii(delivery),
    }
    on_delivery: dict[str, Any] = {"outlets": [asset], "on_success_callback": success_callbacks(delivery.alerts)}
    at_site = site if settings.success_file else site | on_delivery
    last: BaseOperator
    if orchestration.execution == "streamed":
        last = PersadoDeliverOperator(task_id="deliver", **(source | at_site))
    else:
        last = PersadoExtractOperator(task_id="extract", **source, **shared)
        last = PersadoFormatOperator(task_id="format", previous=last.output, **shared)
        if settings.encoding != "none":
            last = PersadoEncodeOperator(task_id="encode", previous=last.output, **shared)
        if settings.pgp_public_key is not None:
            last = PersadoEncryptOperator(task_id="encrypt", previous=last.output, keys_folder=keys_folder, **shared)
        last = PersadoUploadOperator(task_id="upload", previous=last.output, **at_site)
    if settings.success_file:
        PersadoSuccessFileOperator(task_id="success_file", previous=last.output, **site, **on_delivery)
