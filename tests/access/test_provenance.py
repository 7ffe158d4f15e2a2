"""Who started a run, according to Airflow's database."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.airflow.runs import airflow_database

from persado.access.originators import Originator
from persado.settings import Access

__all__ = ["airflow_database"]  # fixture


FAB = "persado.fab_auth_manager.PersadoFabAuthManager"
SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
NOW = datetime.now(UTC)


@pytest.fixture
def session(airflow_database: Path) -> Iterator[Any]:
    """Yield a session of Airflow's database that is rolled back at the end."""
    from airflow.utils.session import create_session

    with create_session() as session:
        yield session
        session.rollback()


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Choose the auth manager."""

    def choose(path: str, **options: str) -> None:
        monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", path)
        for name, value in options.items():
            monkeypatch.setenv(f"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_{name.upper()}", value)

    return choose


def make_run(session: Any, dag_id: str, run_type: str, by: str = "rest_api", user: str | None = None) -> Any:
    from airflow.models.dagrun import DagRun
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    run = DagRun(
        dag_id=dag_id,
        run_id=f"{run_type}__{uuid4()}",
        run_type=DagRunType(run_type),
        run_after=NOW,
        triggered_by=DagRunTriggeredByType(by),
        triggering_user_name=user,
    )
    session.add(run)
    session.flush()
    return run


def make_event(session: Any, source: Any = None, extra: dict[str, Any] | None = None, **fields: Any) -> Any:
    from airflow.models.asset import AssetEvent

    if source is not None:
        fields |= {"source_dag_id": source.dag_id, "source_run_id": source.run_id, "source_task_id": "upload"}
    event = AssetEvent(**{"asset_id": 1, "timestamp": NOW, "extra": extra or {}} | fields)
    session.add(event)
    session.flush()
    return event


def followed(session: Any, *events: Any, dag_id: str = "segment") -> Any:
    """Create a run that these events triggered."""
    run = make_run(session, dag_id, "asset_triggered", by="asset")
    run.consumed_asset_events.extend(events)
    session.flush()
    return run


def found(run: Any, session: Any) -> set[tuple[str, str, tuple[str, ...]]]:
    from persado.access.provenance import originators

    return {(one.kind, one.name, one.roles) for one in originators(run, session)}


def make_user(session: Any, name: str, *roles: str, active: bool = True) -> None:
    from airflow.providers.fab.www.security_appless import ApplessAirflowSecurityManager
    from sqlalchemy import select

    keeper = ApplessAirflowSecurityManager(session)
    user = keeper.user_model()
    user.username, user.email, user.active = name, f"{name}@example.com", active
    user.first_name = user.last_name = name
    user.password = "none"
    for role_name in roles:
        role = session.scalars(select(keeper.role_model).where(keeper.role_model.name == role_name)).unique().first()
        if role is None:
            role = keeper.role_model()
            role.name = role_name
        user.roles.append(role)
    session.add(user)
    session.flush()


ANN = ("person", "ann", ("Op",))
BOB = ("person", "bob", ("Business User", "Restricted PII"))


def test_originators_of_runs_by_users_the_schedule_and_unknown_users(
    session: Any, manager: Callable[..., None]
) -> None:
    manager(FAB)
    make_user(session, "ann", "Op")
    make_user(session, "bob", "Business User", "Restricted PII")
    make_user(session, "eve", "Op", active=False)

    def of(*arguments: Any, **named: Any) -> Any:
        (one,) = found(make_run(session, "segment", *arguments, **named), session)
        return one

    assert of("manual", user="ann") == ANN
    assert of("backfill", by="backfill", user="bob") == BOB
    assert of("asset_materialization", user="bob") == BOB
    assert of("manual", by="operator", user="bob") == BOB
    assert of("scheduled", by="timetable") == ("automatic", "the schedule", ())
    assert of("manual", by="cli", user="root")[0] == "automatic"
    for stranger in ("eve", "mallory", "dag_test"):
        assert of("manual", user=stranger) == ("nobody", f"Airflow knows no active user {stranger!r}", ())
    assert of("manual", user=None)[0] == "unknown"
    manager("other.Manager")
    assert of("manual", user="ann")[0] == "unknown"
    assert of("manual", by="operator")[0] == "unknown"
    assert of("backfill", by="backfill")[0] == "unknown"


def test_a_reprocessed_run_counts_for_the_user_of_the_backfill(session: Any, manager: Callable[..., None]) -> None:
    from airflow.models.backfill import Backfill

    manager(FAB)
    make_user(session, "ann", "Op")
    make_user(session, "bob", "Business User", "Restricted PII")
    backfills = [
        Backfill(dag_id="segment", from_date=NOW, to_date=NOW, dag_run_conf={}, triggering_user_name=name)
        for name in ("ann", "bob")
    ]
    session.add_all(backfills)
    # As Airflow stores them when it reprocesses a scheduled run, and a run that an operator started.
    taken = [make_run(session, "segment", "backfill", by="backfill", user=user) for user in (None, "ann")]
    for run, backfill in zip(taken, backfills, strict=True):
        run.backfill = backfill
    session.flush()
    assert [found(run, session) for run in taken] == [{ANN}, {BOB}]


def test_a_restricting_role_also_counts_through_a_group(session: Any, manager: Callable[..., None]) -> None:
    from airflow.providers.fab.auth_manager.models import Group, User
    from sqlalchemy import select

    from persado.access.fab_roles import restricted_by_groups
    from persado.access.roles import roles_of

    manager(FAB)
    make_user(session, "eva", "Admin")
    make_user(session, "tom", "Restricted PII")
    eva, tom = (session.scalars(select(User).where(User.username == name)).unique().one() for name in ("eva", "tom"))
    (admin,), (restricted,) = eva.roles, tom.roles
    session.add(Group(name="marketing", users=[eva], roles=[restricted]))
    session.add(Group(name="it", users=[tom], roles=[admin]))
    session.flush()
    assert restricted_by_groups(eva.id, session=session) == {"Restricted PII"}
    told: list[Any] = [roles_of(name, session) for name in ("eva", "tom")]
    # As in Airflow, a role that grants rights has no effect through a group.
    assert told == [{"Admin", "Restricted PII"}, {"Restricted PII"}]


def test_chains_of_assets_are_followed_to_their_first_runs(session: Any, manager: Callable[..., None]) -> None:
    manager(FAB)
    make_user(session, "ann", "Op")
    make_user(session, "bob", "Business User", "Restricted PII")
    first = make_event(session, make_run(session, "a", "manual", user="bob"))
    second = make_event(session, followed(session, first, dag_id="b"))
    clock = make_event(session, make_run(session, "c", "scheduled", by="timetable"))
    ann = make_event(session, make_run(session, "d", "manual", user="ann"))
    assert found(followed(session, second, clock, ann), session) == {BOB, ("automatic", "the schedule", ()), ANN}

    gone = make_event(session, source_dag_id="a", source_run_id="deleted")
    ((kind, text, _),) = found(followed(session, gone), session)
    assert (kind, "gone" in text) == ("unknown", True)
    assert {one[0] for one in found(followed(session, make_event(session)), session)} == {"automatic"}
    assert found(followed(session), session) == set()


def test_an_asset_event_from_the_api_is_trusted_where_only_operators_create_them(
    session: Any, manager: Callable[..., None]
) -> None:
    event = make_event(session, extra={"from_rest_api": True})
    kinds = {}
    for path in (FAB, SIMPLE, "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager", "other.Manager"):
        manager(path)
        ((kinds[path.rpartition(".")[2]], _, _),) = found(followed(session, event), session)
    assert kinds == {
        "PersadoFabAuthManager": "automatic",
        "SimpleAuthManager": "automatic",
        "FabAuthManager": "unknown",
        "Manager": "unknown",
    }


def test_assets_that_a_schedule_names_only_by_uri_are_followed(session: Any, manager: Callable[..., None]) -> None:
    from airflow.models.asset import AssetModel, DagScheduleAssetUriReference
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from sqlalchemy import insert

    manager(FAB)
    make_user(session, "bob", "Business User")
    dag_id, uri = f"waits_{uuid4().hex}", f"persado://site/{uuid4().hex}"
    asset = AssetModel(name=uri, uri=uri, group="asset")
    session.add(asset)
    dag_model: Any = DagModel
    session.add(DagBundleModel(name=dag_id))
    session.flush()
    session.add(dag_model(dag_id=dag_id, bundle_name=dag_id, timetable_type="x"))
    session.flush()
    waits_since = NOW - timedelta(hours=1)
    session.execute(insert(DagScheduleAssetUriReference).values(dag_id=dag_id, uri=uri, created_at=waits_since))
    source = make_run(session, "a", "manual", user="bob")
    make_event(session, source, asset_id=asset.id)
    make_event(session, asset_id=asset.id, timestamp=NOW - timedelta(hours=2))  # before the DAG waited for the asset
    assert found(followed(session, dag_id=dag_id), session) == {("person", "bob", ("Business User",))}


def test_roles_of_the_simple_auth_manager(session: Any, manager: Callable[..., None]) -> None:
    from persado.access.roles import roles_of

    manager(SIMPLE, users="ann:admin,olga:OP,bob:user,vera:viewer")
    told: dict[str, Any] = {name: roles_of(name, session) for name in ("ann", "olga", "bob", "vera", "eve")}
    assert told == {
        "ann": {"Admin"},
        "olga": {"Op"},
        "bob": {"Business User", "Restricted PII"},
        "vera": set(),
        "eve": None,
    }
    manager(SIMPLE, all_admins="True")
    assert roles_of("Anonymous", session) == frozenset({"Admin"})
    manager("other.Manager")
    assert roles_of("ann", session) is None


def test_originators_are_stored_for_the_checking_task_when_the_run_starts(
    session: Any, manager: Callable[..., None]
) -> None:
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.sdk import DAG
    from sqlalchemy import select

    from persado.entrypoints.run_listener import on_dag_run_running
    from persado.operators import PersadoExtractOperator
    from persado.operators.gate import PersadoGateOperator

    def read() -> Any:
        return PersadoExtractOperator(task_id="extract", sql="q", conn_id="w", settings={"filename_template": "x"})

    manager(SIMPLE, users="bob:user")
    with DAG("segment", schedule=None) as dag:
        PersadoGateOperator(task_id="door", access=Access()) >> read()
    with DAG("harmless", schedule=None) as other:
        read()
    told = {}
    for started in (dag, other):
        run = make_run(session, started.dag_id, "manual", user="bob")
        run.dag = started
        on_dag_run_running(run, "started")
        stored = session.scalars(select(TaskStateStoreModel).where(TaskStateStoreModel.run_id == run.run_id))
        told[started.dag_id] = [(one.task_id, one.key, json.loads(one.value)) for one in stored]
    bob = Originator(kind="person", name="bob", roles=("Business User", "Restricted PII")).model_dump(mode="json")
    assert told == {"segment": [("door", "originators", [bob])], "harmless": [("extract", "originators", [bob])]}
