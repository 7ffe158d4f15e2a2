"""An orchestration: what is sent, and when."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from persado.settings.fields import ConnectionId, OneLine, Strict, mistake, unique
from persado.settings.models.alerts import Alerts
from persado.settings.models.file_settings import OrchestrationSettings
from persado.settings.models.guards import ChangeGuard, RowGuards
from persado.settings.models.params import Params
from persado.settings.models.setting_values import OnEmpty
from persado.settings.models.workflow import Workflow


def _query(text: str) -> str:
    parts = text.split("/")
    if not text.endswith(".sql") or not text.isprintable() or "\\" in text or {"", ".", ".."} & set(parts):
        raise mistake("expected the name of a file in queries/ that ends in .sql, such as segment.sql.")
    return text


def _tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    for index, tag in enumerate(tags):
        if len(tag) > 100:
            raise mistake("expected at most 100 characters, which is Airflow's limit. Shorten it.", index)
    return unique(tags, tags)


def _link(text: str) -> str:
    parts = urlsplit(text)
    whole = parts.netloc if parts.scheme in ("http", "https") else parts.path if parts.scheme == "mailto" else ""
    if not whole or " " in text:
        raise mistake("expected a link: https://..., or mailto: with an address.")
    return text


class Orchestration(Strict):
    """One query, sent through one data template. It is a DAG of the same name."""

    description: str = Field(
        default="", description="What is sent and why; the DAG's description.", examples=["The whole segment"]
    )
    query: Annotated[str, AfterValidator(_query)] = Field(
        description="A file in `queries/`. Airflow renders it with params, data interval and macros.",
        examples=["segment.sql"],
    )
    source: ConnectionId = Field(
        description="Airflow connection of the warehouse: any type with a DB-API hook.", examples=["warehouse_default"]
    )
    data_template: OneLine = Field(
        description="Name of a file in `data_templates/`, without `.yaml`.", examples=["segment"]
    )
    workflow: Workflow = Field(
        default="manual",
        description="When it runs: `manual`, by a schedule, or when assets change.",
        examples=["manual", {"schedule": "30 8 * * 1", "timezone": "America/New_York"}],
    )
    settings: OrchestrationSettings = Field(
        default_factory=OrchestrationSettings,
        description="Settings that override the data template's and the destination's.",
        examples=[{"line_ending": "CRLF"}],
    )
    execution: Literal["chained", "streamed"] = Field(
        default="chained",
        description=(
            "`chained`: one task per stage, with files between them. `streamed`: one task for all stages, without"
            " files on disk."
        ),
        examples=["chained"],
    )
    rows: RowGuards = Field(
        default_factory=RowGuards,
        description="How many rows are expected.",
        examples=[{"fail_below": 1, "warn_below": 1000}],
    )
    change: ChangeGuard | None = Field(
        default=None,
        description="How much the number of rows may differ from the last delivery. `null`: any amount.",
        examples=[{"fail_above_percent": 50}],
    )
    on_empty: OnEmpty = Field(
        default="fail",
        description=(
            "What to do if the query returns no rows: `fail`; `skip` the run and send nothing; or `send` a file with"
            " the header only."
        ),
        examples=["skip"],
    )
    params: Params = Field(
        default_factory=dict,
        description=(
            "Parameters of a run: name -> JSON Schema (2020-12). They make up the trigger form. Put a text between"
            " quotes in the query, as in `'{{ params.state }}'`; the texts of a list too, as in"
            " `IN ('{{ params.states | join(\"','\") }}')`. Then they cannot change the query: a text may not contain"
            " quotes, `\\`, `;`, `--`, `/*`, `¥` or control characters, unless `pattern`, `enum` or `const` beside it"
            " say otherwise. The same holds for texts in lists and mappings, described or not, and for their keys. A"
            " list or mapping is accepted only where `type` asks for one, and only where no text or number is. A query"
            " sees no parameter that is not listed here, and not `reason`."
        ),
        examples=[
            {"since": {"type": "string", "format": "date", "default": "2026-01-01"}},
            {"states": {"type": "array", "items": {"type": "string"}, "default": ["TX"]}},
        ],
    )
    owner: OneLine | None = Field(
        default=None, description="Who is responsible for it; the DAG's owner.", examples=["crm"]
    )
    owner_link: Annotated[OneLine, AfterValidator(_link)] | None = Field(
        default=None,
        description="How to reach the owner: the link of the name in Airflow's list of DAGs.",
        examples=["mailto:crm@example.com"],
    )
    tags: Annotated[tuple[OneLine, ...], Field(strict=False), AfterValidator(_tags)] = Field(
        default=(), description="Tags of the DAG, to filter by.", examples=[["weekly"]]
    )
    alerts: Alerts | None = Field(
        default=None,
        description="Alerts about its deliveries, instead of the destination's. `null`: the destination's.",
        examples=[[{"connection": "slack_crm", "when": ["failure", "success"]}]],
    )
    campaign_name: OneLine | None = Field(
        default=None, description="Value of `{{campaign_name}}` in filename templates.", examples=["spring"]
    )
    group_name: OneLine | None = Field(
        default=None, description="Value of `{{group_name}}` in filename templates.", examples=["treatment_a"]
    )
    start_date: date | None = Field(
        default=None, description="First day of the schedule. `null`: from now on.", examples=["2026-01-01"]
    )

    @model_validator(mode="after")
    def _runs_by_itself(self) -> Orchestration:
        for name, schema in self.params.items():
            if self.workflow != "manual" and "default" not in schema:
                raise mistake(
                    "has no default, but the workflow runs without a person to fill it in. Add a default.",
                    "params", name,
                )  # fmt: skip
        return self
