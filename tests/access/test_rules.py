"""Who may send: the rules, the rights that DAGs grant, and the gate in a run."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from support.airflow.runs import Project, airflow_database, project, task_states

from persado.access.originators import STATE_KEY, Originator, dump, parse, refusals
from persado.access.rules import access_control, is_operator, may_hold_pii, refusal
from persado.settings import Access

__all__ = ["airflow_database", "project"]  # fixtures

BUSINESS, LIMITED = "Business User", "Restricted PII"
CLOSED = Access()
OPEN = Access(business_users=True)
WIDE = Access(business_users=True, limited_pii=True)
LIMITED_ONLY = Access(limited_pii=True)


@pytest.mark.parametrize(
    ("roles", "may"),
    [
        # y or n for closed, open, wide and limited only; first without personal data, then with it.
        ({"Admin"}, "yyyy yyyy"),
        ({"Op"}, "yyyy yyyy"),
        ({"Op", "Viewer"}, "yyyy yyyy"),
        ({BUSINESS}, "nyyn nyyn"),
        ({BUSINESS, "User"}, "nyyn nyyn"),
        ({BUSINESS, LIMITED}, "nyyn nnyn"),
        ({LIMITED}, "nyyn nnyn"),
        ({"Admin", BUSINESS}, "nyyn nyyn"),
        ({"Admin", LIMITED}, "nyyn nnyn"),
        ({"Op", BUSINESS, LIMITED}, "nyyn nnyn"),
        ({"User"}, "nnnn nnnn"),
        ({"Viewer"}, "nnnn nnnn"),
        ({"Public"}, "nnnn nnnn"),
        ({"business user"}, "nnnn nnnn"),
        (set(), "nnnn nnnn"),
    ],
)
def test_deny_wins_and_the_default_is_deny(roles: set[str], may: str) -> None:
    told = [
        "".join("n" if refusal(roles, access, pii=pii) else "y" for access in (CLOSED, OPEN, WIDE, LIMITED_ONLY))
        for pii in (False, True)
    ]
    assert " ".join(told) == may
    assert is_operator(roles) == (may == "yyyy yyyy")


def test_one_originator_without_permission_is_enough_to_refuse() -> None:
    clock = Originator(kind="automatic", name="the schedule")
    ann = Originator(kind="person", name="ann", roles=("Op",))
    bob = Originator(kind="person", name="bob", roles=(BUSINESS, LIMITED))
    nobody = Originator(kind="unknown", name="Airflow knows no active user 'eve'")
    assert list(refusals([clock, ann], CLOSED, pii=True)) == []
    assert list(refusals([clock, bob, ann], WIDE, pii=True)) == []
    (reason,) = refusals([clock, bob, ann], OPEN, pii=True)
    assert "'bob'" in reason
    assert "access.limited_pii" in reason
    assert "'eve'" in next(refusals([clock, nobody], WIDE, pii=False))
    assert len(list(refusals([bob, nobody], CLOSED, pii=True))) == 2
    assert list(refusals([], WIDE, pii=False))
    # Without personal data, unknown originators pass; people without the right and inactive users do not.
    assert list(refusals([clock, nobody], WIDE, pii=False, unknown_may=True)) == []
    assert list(refusals([], CLOSED, pii=False, unknown_may=True)) == []
    assert "'bob'" in next(refusals([nobody, bob], CLOSED, pii=False, unknown_may=True))
    gone = Originator(kind="nobody", name="Airflow knows no active user 'eve'")
    assert "'eve'" in next(refusals([gone], WIDE, pii=False, unknown_may=True))
    assert parse(json.loads(json.dumps(dump([clock, bob])))) == [clock, bob]


def describe(project: Project, name: str, **template: Any) -> None:
    project.describe(
        name,
        "SELECT 'ann@example.com' AS mail, 'Ann' AS name",
        settings={"filename_template": f"{name}.csv", "success_file": False},
        template=template,
    )


PII = [{"name": "mail"}, {"name": "name", "pii": True}]
NO_PII = [{"name": "mail"}]


def test_a_dag_grants_the_rights_that_follow_from_the_yaml(project: Project) -> None:
    for name, columns in (("marked", PII), ("unmarked", NO_PII), ("unlisted", None)):
        describe(project, name, **({"columns": columns} if columns else {}), access={"business_users": True})
        project.write(
            f"destinations/{name}_site.yaml",
            "connection: site\naccess: {business_users: true, limited_pii: true}\nsettings: {remote_folder: /inbox}\n",
        )
        project.write(
            f"orchestrations/{name}.yaml",
            f"query: {name}.sql\nsource: warehouse\ndata_template: {name}_template\n"
            f"settings: {{filename_template: {name}.csv}}\n",
        )
    deliveries = project.load().deliveries
    granted = {
        name: {role: rights["DAG Runs"] for role, rights in access_control(delivery).items()}
        for name, delivery in deliveries.items()
    }
    create: set[str] = {"can_create"}
    assert granted == {
        "marked": {BUSINESS: create, LIMITED: set()},
        "unmarked": {BUSINESS: create, LIMITED: create},
        # Unlisted columns may hold personal data.
        "unlisted": {BUSINESS: create, LIMITED: set()},
    }
    assert [name for name, delivery in deliveries.items() if may_hold_pii(delivery)] == ["marked", "unlisted"]

    from persado.dag.factory import make_dag

    dag = make_dag(deliveries["marked"])
    assert dag.access_control == access_control(deliveries["marked"])
    assert [task.task_id for task in dag.roots] == ["gate"]
    assert dag.get_task("gate").get_flat_relative_ids() == set(dag.task_ids) - {"gate"}
    # Without a gate the extract task checks, as strictly as a gate where it may read personal data.
    tasks: dict[str, list[Any]] = {name: list(make_dag(delivery).tasks) for name, delivery in deliveries.items()}
    asking = {
        name: [(task.task_id, task.pii) for task in listed if getattr(task, "access", None)]
        for name, listed in tasks.items()
    }
    assert asking == {"marked": [("gate", True)], "unmarked": [("extract", False)], "unlisted": [("extract", True)]}


@pytest.mark.parametrize(
    ("left", "passes"),
    [
        (None, "unmarked"),
        ("damaged", "unmarked"),
        ([{"kind": "person", "name": "bob", "roles": [BUSINESS]}], ""),
        ([{"kind": "person", "name": "eve", "roles": ["User"]}], ""),
        ([{"kind": "person", "name": "ann", "roles": ["Op"]}], "unmarked unlisted"),
    ],
)
def test_without_a_gate_the_first_task_refuses(project: Project, left: Any, passes: str) -> None:
    from persado.errors import RejectedError
    from persado.operators import PersadoOperator

    def refusal_of(task: Any, pii: bool) -> str:
        try:
            task.refuse_unauthorised(context, CLOSED, pii=pii, unknown_may=not pii)
        except RejectedError as refused:
            return str(refused)
        return ""

    run = SimpleNamespace(dag_id="some", run_type="manual", triggering_user_name="bob")
    context: Any = {"dag_run": run, "task_state_store": {STATE_KEY: left}}
    told = {
        name: refusal_of(PersadoOperator(task_id="any"), pii) for name, pii in (("unmarked", False), ("unlisted", True))
    }
    assert " ".join(name for name, refused in told.items() if not refused) == passes
    assert all("some: refused" in refused for refused in told.values() if refused)


def test_a_local_run_passes_the_gate(project: Project) -> None:
    describe(project, "local", columns=PII)
    assert list(task_states(project.run("local"))) == ["gate", "extract", "format", "upload"]
    assert set(project.arrived()) == {"local.csv"}
