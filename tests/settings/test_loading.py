"""The values and defaults that are loaded from the YAML files."""

from datetime import date
from pathlib import Path

import pytest
from support.settings.levels import delivery

from persado.settings import Access, AirflowConnection, AirflowVariable, Scheduled, WhenChanged, load


def test_defaults_are_safe(tmp_path: Path) -> None:
    weekly = delivery(tmp_path)

    assert weekly.settings.model_dump() == {
        "filename_template": "segment.csv",
        "line_ending": "LF",
        "quote_mode": "special_characters",
        "remote_folder": "/",
        "file_format": "csv",
        "delimiter": None,
        "escape_character": None,
        "allow_unescaped": False,
        "header": True,
        "null_text": "",
        "nan_text": None,
        "row_number": None,
        "encoding": "none",
        "compression_level": None,
        "compressor": None,
        "zip64": False,
        "pgp_public_key": None,
        "pgp_fingerprint": None,
        "pgp_armor": False,
        "pgp_signing_key": None,
        "split": None,
        "split_filename_template": "{{file_number}}.csv",
        "split_directory_template": None,
        "success_file": True,
        "if_exists": "replace",
        "if_busy": "wait",
        "verify": "size",
        "create_remote_folder": False,
        "quirks": {"stat_after_rename": True, "posix_rename": True, "hidden_names": True, "lock_file": True},
    }
    assert weekly.orchestration.model_dump(exclude={"query", "source", "data_template", "settings"}) == {
        "description": "",
        "workflow": "manual",
        "execution": "chained",
        "rows": {"fail_below": None, "fail_above": None, "warn_below": None, "warn_above": None},
        "change": None,
        "on_empty": "fail",
        "params": {},
        "owner": None,
        "owner_link": None,
        "tags": (),
        "alerts": None,
        "campaign_name": None,
        "group_name": None,
        "start_date": None,
    }
    assert weekly.access == Access(business_users=False, limited_pii=False)
    assert (weekly.destination.pool, weekly.data_template.columns, weekly.contract) == (None, None, None)
    assert weekly.asset == "persado://persado/weekly"
    assert not weekly.has_pii
    assert weekly.query_file == tmp_path / "queries" / "segment.sql"
    assert weekly.public_key_file is None


def test_loads_columns(tmp_path: Path) -> None:
    weekly = delivery(
        tmp_path,
        {
            "data_templates/segment.yaml": """\
columns:
  - {name: Hashed_Email}
  - {name: birth_dt, from: birthdate, pii: true}
  - {name: country, value: US}
  - {name: nothing, value: null}
  - {name: number, value: 1_000}
  - {name: equals, value: =}
"""
        },
    )

    columns = weekly.data_template.columns or ()
    assert [column.source for column in columns[:2]] == ["Hashed_Email", "birthdate"]
    assert [column.constant for column in columns] == [False, False, True, True, True, True]
    assert [column.value for column in columns[2:]] == ["US", None, 1000, "="]
    assert weekly.has_pii


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("{variable: persado_key}", AirflowVariable(variable="persado_key")),
        ("{connection: persado_pgp}", AirflowConnection(connection="persado_pgp")),
    ],
)
def test_loads_references_to_keys_in_airflow(tmp_path: Path, text: str, key: object) -> None:
    both = f"settings: {{pgp_public_key: {text}, pgp_signing_key: {text}}}\n"

    weekly = delivery(tmp_path, {"destinations/persado.yaml": both})

    assert (weekly.settings.pgp_public_key, weekly.settings.pgp_signing_key) == (key, key)
    assert weekly.public_key_file is None


def test_loads_workflows(tmp_path: Path) -> None:
    scheduled = "workflow: {schedule: 30 8 * * 1, timezone: Europe/Paris}\n"
    changed = 'workflow: {when_changed: [customers, "persado://persado/other"]}\n'

    assert delivery(tmp_path, {"orchestrations/weekly.yaml": scheduled}).orchestration.workflow == Scheduled(
        schedule="30 8 * * 1", timezone="Europe/Paris"
    )
    assert delivery(tmp_path, {"orchestrations/weekly.yaml": changed}).orchestration.workflow == WhenChanged(
        when_changed=("customers", "persado://persado/other")
    )


def test_loads_the_other_keys_of_an_orchestration(tmp_path: Path) -> None:
    more = """\
execution: chained
rows: {fail_below: 1, fail_above: 10, warn_below: 2, warn_above: 9}
change: {fail_above_percent: 50}
on_empty: send
params: {since: {type: string, format: date, default: "2026-01-01"}, limit: {type: integer, minimum: 1}}
owner: crm
tags: [weekly, segment]
campaign_name: spring
group_name: treatment a
start_date: 2026-01-01
"""
    orchestration = delivery(tmp_path, {"orchestrations/weekly.yaml": more}).orchestration

    assert orchestration.execution == "chained"
    assert orchestration.rows.warn_above == 9
    assert orchestration.change is not None
    assert orchestration.change.fail_above_percent == 50
    assert orchestration.params["since"]["default"] == "2026-01-01"
    assert orchestration.tags == ("weekly", "segment")
    assert orchestration.start_date == date(2026, 1, 1)


@pytest.mark.parametrize("name", ["marketing_engagement", "segment"])
def test_loads_built_in_contracts(tmp_path: Path, name: str) -> None:
    contract = delivery(tmp_path, {"data_templates/segment.yaml": f"contract: {name}\n"}).contract

    assert contract is not None
    email, *others = contract.columns
    assert (email.name, email.type, email.nullable, email.required) == ("Hashed_Email", "md5_hex", False, True)
    assert {column.name: column.type for column in others if column.name.endswith("_Timestamp")} == dict.fromkeys(
        [
            "Sent_Timestamp",
            "Bounced_Timestamp",
            "Opened_Timestamp",
            "Clicked_Timestamp",
            "Unsubscribed_Timestamp",
        ]
        if name == "marketing_engagement"
        else [],
        "unix_seconds",
    )
    optional = [column.name for column in others if not column.required]
    assert optional == ([] if name == "marketing_engagement" else ["closest_mik_distance"])


def test_loads_a_contract_of_the_user(tmp_path: Path) -> None:
    own = "columns: [{name: id, type: integer, nullable: false}]\n"
    contract = delivery(
        tmp_path, {"contracts/own.yaml": own, "data_templates/segment.yaml": "contract: own\n"}
    ).contract

    assert contract is not None
    assert contract.columns[0].type == "integer"


def test_unusual_settings_are_loaded_as_intended(tmp_path: Path) -> None:
    """Check values that look like YAML pitfalls but are loaded as intended."""
    weekly = delivery(
        tmp_path,
        {
            "destinations/persado.yaml": """\
settings:
  header: no
  null_text: 'NULL'
  quote_mode: none
  escape_character: \\
  encoding: none
  remote_folder: /From\\ ACME
"""
        },
    )

    assert weekly.settings.header is False
    assert (weekly.settings.null_text, weekly.settings.escape_character) == ("NULL", "\\")
    assert weekly.settings.remote_dir == "/From ACME"


def test_a_byte_order_mark_and_windows_line_endings_are_accepted(tmp_path: Path) -> None:
    delivery(tmp_path)
    file = tmp_path / "orchestrations" / "weekly.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))

    assert load(tmp_path).deliveries["weekly"].origins["filename_template"] == "orchestrations/weekly.yaml:4"
