"""Who may send: the rules, the rights that DAGs carry, and the gate in a run."""

import json
from typing import Any

import pytest
from support.airflow_runs import Project, airflow_database, project, task_states

from persado.access import access_control, is_operator, may_hold_pii, refusal
from persado.originators import Originator, dump, parse, refusals
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
        # Which of these may be sent: closed, open, wide, limited only; first without personal data, then with it.
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


def test_one_who_may_not_is_enough_to_refuse() -> None:
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


def test_what_a_dag_grants_follows_from_the_yaml(project: Project) -> None:
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
        # Nobody has said that these columns are harmless.
        "unlisted": {BUSINESS: create, LIMITED: set()},
    }
    assert [name for name, delivery in deliveries.items() if may_hold_pii(delivery)] == ["marked", "unlisted"]

    from persado.dag_factory import make_dag

    dag = make_dag(deliveries["marked"])
    assert dag.access_control == access_control(deliveries["marked"])
    assert [task.task_id for task in dag.roots] == ["gate"]
    assert dag.get_task("gate").get_flat_relative_ids() == set(dag.task_ids) - {"gate"}
    assert "gate" not in make_dag(deliveries["unmarked"]).task_ids


def test_a_local_run_passes_the_gate(project: Project) -> None:
    describe(project, "local", columns=PII)
    assert list(task_states(project.run("local"))) == ["gate", "extract", "format", "upload"]
    assert set(project.arrived()) == {"local.csv"}
