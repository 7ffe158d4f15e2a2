"""Column contracts, built-in and custom, are checked before anything is sent."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pytest
import yaml
from support.airflow.runs import Project, airflow_database, event_extra, project, task_states

from persado.errors import RejectedError
from persado.pipeline.rows.contract import ContractCheck
from persado.settings import Contract
from persado.settings.models.contract import BUILT_IN

__all__ = ["airflow_database", "project"]

SECRET = "jane.doe@example.com"
HASH = hashlib.md5(SECRET.encode()).hexdigest()


def built_in(name: str) -> Contract:
    """Read a built-in contract."""
    return Contract.model_validate(yaml.safe_load((BUILT_IN / f"{name}.yaml").read_text()))


def breach(contract: Contract, *batches: dict[str, list[Any]]) -> str | None:
    """Return the violations of a contract by these rows."""
    try:
        check = ContractCheck(contract, list(batches[0]))
        for batch in batches:
            check.check(pa.RecordBatch.from_pydict(batch))
        check.finish()
    except RejectedError as error:
        return str(error)
    return None


def column(values: list[Any], **rules: Any) -> str | None:
    """Return the violations of a contract of one column by its values."""
    return breach(Contract.model_validate({"columns": [{"name": "c", **rules}]}), {"c": values})


def engagement(**columns: list[Any]) -> dict[str, list[Any]]:
    """Return valid rows of the marketing engagement, with some columns replaced."""
    size = len(next(iter(columns.values()))) if columns else 1
    names = [column.name for column in built_in("marketing_engagement").columns]
    right = {name: [1767225600 if name.endswith("Timestamp") else "x"] * size for name in names}
    return {**right, "Hashed_Email": [HASH] * size, **columns}


def test_the_built_in_contracts_require_their_columns() -> None:
    for name, optional in (("marketing_engagement", []), ("segment", ["closest_mik_distance"])):
        contract = built_in(name)
        rows = {column.name: [HASH] for column in contract.columns}
        if name == "marketing_engagement":
            rows = engagement()
        for column in contract.columns:
            found = breach(contract, {header: values for header, values in rows.items() if header != column.name})
            if column.name in optional:
                assert found is None
            else:
                assert found is not None
                assert found.startswith(f"the contract requires the column(s) {column.name}; the file would have ")


@pytest.mark.parametrize(
    ("value", "right"),
    [
        (HASH, True),
        (HASH.upper(), False),
        (HASH[:-1], False),
        (f"{HASH}0", False),
        (f"{HASH}\n", False),
        ("g" * 32, False),
        (SECRET, False),
        ("", False),
        (None, False),
    ],
)
def test_hashed_email_must_be_md5_in_lower_case(value: str | None, right: bool) -> None:
    found = breach(built_in("marketing_engagement"), engagement(Hashed_Email=[value]))
    assert (found is None) == right
    assert not value or value not in (found or "")


@pytest.mark.parametrize(
    ("value", "right"),
    [
        (1767225600, True),
        ("1767225600", True),
        (None, True),
        ("", True),
        (1767225600.5, False),
        (-1, False),
        (1767225600000, False),  # milliseconds
        ("2026-01-01 00:00:00", False),
        (" 1767225600", False),
        ("١٧٦٧٢٢٥٦٠٠", False),
    ],
)
def test_timestamps_are_whole_seconds_or_empty(value: Any, right: bool) -> None:
    found = breach(built_in("marketing_engagement"), engagement(Opened_Timestamp=[value]))
    assert (found is None) == right
    if not right:
        assert found is not None
        assert "column 'Opened_Timestamp': expected whole Unix seconds, 1 row(s) differ, such as 1" in found


def test_violations_are_counted_over_all_batches_without_showing_values() -> None:
    wrong, right = engagement(Hashed_Email=[SECRET] * 4), engagement(Hashed_Email=[HASH, ""])
    found = breach(built_in("marketing_engagement"), right, wrong, engagement(Sent_Timestamp=["soon"]))
    assert found == (
        "the contract is broken, nothing was sent:"
        " column 'Hashed_Email': expected a value, 1 row(s) differ, such as 2;"
        " column 'Hashed_Email': expected 32 lower-case hex digits, 4 row(s) differ, such as 3, 4, 5, 6;"
        " column 'Sent_Timestamp': expected whole Unix seconds, 1 row(s) differ, such as 7"
    )


def test_only_the_first_rows_are_listed() -> None:
    found = column([SECRET] * 100, type="integer")
    assert found is not None
    assert found.endswith("100 row(s) differ, such as 1, 2, 3, 4, 5")


@pytest.mark.parametrize(
    ("rules", "right", "wrong"),
    [
        ({"type": "integer"}, [0, "-7", "007", None, 2**70], ["1.0", "1e3", "+1", "x"]),
        ({"type": "date"}, ["2026-03-05", None], ["2026-3-5", "05.03.2026", "2026-03-05 00:00:00"]),
        ({"nullable": False}, ["x", " "], ["", None]),
        ({}, ["", None, "anything"], []),
    ],
)
def test_the_types_of_a_custom_contract(rules: dict[str, Any], right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if column([None if value is None else str(value)], **rules)] == []
    assert [value for value in wrong if not column([value], **rules)] == []


def test_an_empty_result_meets_every_contract() -> None:
    assert column([], type="md5_hex", nullable=False) is None


def test_a_violation_of_a_custom_contract_sends_nothing(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    project.write("contracts/members.yaml", "columns:\n  - {name: id, type: integer, nullable: false}\n")
    query = f"SELECT 1 AS id UNION ALL SELECT '{SECRET}' UNION ALL SELECT NULL"
    for execution in ("chained", "streamed"):
        project.describe(
            f"breach_{execution}", query, settings={"filename_template": "x.csv"}, template={"contract": "members"},
            execution=execution,
        )  # fmt: skip
        run = project.run(f"breach_{execution}")
        assert run.state == "failed"
        assert "failed" in set(task_states(run).values())
        log = capfd.readouterr().out
        assert "column 'id': expected a value, 1 row(s) differ, such as 3" in log
        assert "column 'id': expected a whole number, 1 row(s) differ, such as 2" in log
        assert SECRET not in log
        assert project.arrived() == {}
        assert event_extra(f"breach_{execution}") == {}
