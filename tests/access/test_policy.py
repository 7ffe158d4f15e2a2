"""The policy that requires the gate in every DAG that sends personal data."""

from collections.abc import Callable
from typing import Any

from persado.settings import Access


def test_the_policy_requires_the_gate_before_all_other_tasks() -> None:
    from airflow.exceptions import AirflowClusterPolicyViolation
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG

    from persado.entrypoints.cluster_policy import dag_policy
    from persado.operators import PersadoExtractOperator
    from persado.operators.gate import PersadoGateOperator

    def sends(pii: bool, **given: Any) -> Any:
        columns = [{"name": "mail", "pii": pii}]
        settings = {"filename_template": "x.csv"}
        return PersadoExtractOperator(task_id="send", sql="q", conn_id="w", columns=columns, settings=settings, **given)

    def refused(build: Callable[[], Any], *tags: str) -> str:
        with DAG("some", schedule=None, tags=list(tags)) as dag:
            build()
        try:
            dag_policy(dag)
        except AirflowClusterPolicyViolation as violation:
            return str(violation)
        return ""

    def gate() -> Any:
        return PersadoGateOperator(task_id="gate", access=Access())

    def empty(task_id: str = "send", **given: Any) -> Any:
        return EmptyOperator(task_id=task_id, **given)

    assert refused(lambda: empty()) == ""
    assert refused(lambda: sends(pii=False)) == ""
    assert "no PersadoGateOperator decides" in refused(lambda: sends(pii=True))
    assert "no PersadoGateOperator decides" in refused(lambda: empty(), "pii")
    assert refused(lambda: gate() >> sends(pii=True)) == ""
    assert refused(lambda: gate() >> empty() >> empty("more"), "pii", "other") == ""
    assert "does not come before send" in refused(lambda: sends(pii=True) >> gate())
    assert "does not come before other" in refused(lambda: [gate() >> sends(pii=True), empty("other")])
    assert "because of a trigger rule" in refused(lambda: gate() >> sends(pii=True, trigger_rule="all_done"))
    assert "send may run although" in refused(lambda: gate() >> empty("x", trigger_rule="all_done") >> sends(pii=True))
    assert refused(lambda: gate() >> [empty("x", trigger_rule="all_done"), empty("y")] >> sends(pii=True)) == ""
    assert refused(lambda: gate() >> empty(trigger_rule="all_done"), "pii") == ""

    class Own(PersadoExtractOperator):
        """A user's own subclass."""

    given = {"task_id": "send", "conn_id": "w", "settings": {"filename_template": "x.csv"}}

    def mapped(kind: Any, pii: bool) -> Any:
        return kind.partial(**given, columns=[{"name": "mail", "pii": pii}]).expand(sql=["q", "r"])

    assert refused(lambda: mapped(Own, pii=False)) == ""
    assert "no PersadoGateOperator decides" in refused(lambda: mapped(PersadoExtractOperator, pii=True))
    assert "no PersadoGateOperator decides" in refused(lambda: mapped(Own, pii=True))
    # Columns that are known only at run time.
    later: Callable[[], Any] = lambda: PersadoExtractOperator.partial(**given, sql="q").expand(columns=[[]])  # noqa: E731
    assert "no PersadoGateOperator decides" in refused(later)
    assert refused(lambda: gate() >> mapped(Own, pii=True)) == ""


def test_airflow_finds_the_policy() -> None:
    from importlib.metadata import entry_points

    (found,) = [entry for entry in entry_points(group="airflow.policy") if entry.name == "persado"]
    assert found.load().dag_policy
