"""The documentation of a DAG: what is sent, where, when and how, as valid Markdown whatever a value holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from persado.dag.doc import doc_text
from persado.settings import load

FILES: dict[str, Any] = {
    "destinations/site": {
        "description": "The *site* <b>",
        "connection": "site_conn",
        "settings": {"remote_folder": r"/From\ ACME", "delimiter": "|", "file_format": "custom"},
        "access": {"business_users": True, "limited_pii": True},
    },
    "data_templates/segment": {
        "destination": "site",
        "columns": [
            {"name": "id"},
            {"name": "birth_dt", "from": "birthdate", "pii": True},
            {"name": "c", "value": "`x`"},
        ],
        "access": {"business_users": True},
    },
    "orchestrations/weekly": {
        "description": "The segment",
        "query": "weekly.sql",
        "source": "warehouse",
        "data_template": "segment",
        "workflow": {"schedule": "30 8 * * 1", "timezone": "America/New_York"},
        "rows": {"fail_below": 1000},
        "owner": "crm",
        "owner_link": "mailto:crm@example.com",
        "params": {"state": {"type": "string", "default": "NY", "description": "Which state"}},
        "settings": {"filename_template": "a.csv"},
    },
}


def describe(folder: Path, **settings: Any) -> Any:
    (folder / "queries").mkdir()
    (folder / "queries" / "weekly.sql").write_text("SELECT 1")
    files = {**FILES, "data_templates/segment": {**FILES["data_templates/segment"], "settings": settings}}
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
    configuration = load(folder)
    assert not configuration.errors
    return configuration.deliveries["weekly"]


def test_doc_describes_the_delivery(tmp_path: Path) -> None:
    lines = doc_text(describe(tmp_path)).splitlines()
    assert lines[0] == "The segment"
    for line in (
        "| **What** | `queries/weekly.sql`, run in `warehouse` |",
        r"| **Where** | `site`: The \*site\* \<b\> |",
        "| **Connection** | `site_conn` |",
        "| **Remote folder** | `/From ACME` |",
        "| **When** | 30 8 \\* \\* 1 (America/New\\_York) |",
        "| **Rows** | fail below 1,000; if empty: fail |",
        "| **Encrypted to** | not encrypted |",
        "| **Business User** | may send |",
        "| **Restricted PII** | may not send |",
        "| **Asset** | `persado://site/weekly` |",
        "| `birth_dt` | `birthdate` | **PII** |",
        "| `id` | `id` |  |",
        "| `c` | constant `` '`x`' `` |  |",
        "| `state` | Which state |",
        r"| `delimiter` | `'\|'` | destinations/site.yaml:7 |",
        "| `quote_mode` | `special_characters` | default |",
    ):
        assert line in lines, line


def test_doc_names_the_variable_of_a_key(tmp_path: Path) -> None:
    text = doc_text(describe(tmp_path, pgp_public_key={"variable": "receiver_key"}))
    assert "| **Encrypted to** | `{variable: receiver_key}` |" in text.splitlines()
    assert "| `pgp_public_key` | `{variable: receiver_key}` |" in text


def test_every_effective_setting_is_listed(tmp_path: Path) -> None:
    delivery = describe(tmp_path)
    text = doc_text(delivery)
    assert [name for name in type(delivery.settings).model_fields if f"| `{name}` |" not in text] == []


def test_dag_has_doc_tags_and_owner(tmp_path: Path) -> None:
    from persado.dag.factory import make_dag

    delivery = describe(tmp_path)
    dag = make_dag(delivery)
    assert dag.doc_md == doc_text(delivery)
    assert {"persado", "pii", "site"} <= dag.tags
    assert dag.owner == "crm"
    assert dag.owner_links == {"crm": "mailto:crm@example.com"}
