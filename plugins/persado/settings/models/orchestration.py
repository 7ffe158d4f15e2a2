"""What a person writes: a destination, a data template, an orchestration; one model for each kind of file."""

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
    """One query, sent through one data template; Airflow shows it as a DAG of the same name."""

    description: str = Field(
        default="", description="What is sent and why; the DAG's description.", examples=["The whole segment"]
    )
    query: Annotated[str, AfterValidator(_query)] = Field(
        description="A file in `queries/`. Airflow renders it: params, data interval and macros are at hand.",
        examples=["segment.sql"],
    )
    source: ConnectionId = Field(
        description="Airflow connection of the warehouse; any type with a DB-API hook.", examples=["warehouse_default"]
    )
    data_template: OneLine = Field(
        description="Name of a file in `data_templates/`, without `.yaml`.", examples=["segment"]
    )
    workflow: Workflow = Field(
        default="manual",
        description="When it runs: `manual`, by a schedule, or when assets changed.",
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
            "`chained`: one task a stage, with files between them. `streamed`: one task, all stages at once, with"
            " nothing on the disk."
        ),
        examples=["chained"],
    )
    rows: RowGuards = Field(
        default_factory=RowGuards,
        description="How many rows are normal.",
        examples=[{"fail_below": 1, "warn_below": 1000}],
    )
    change: ChangeGuard | None = Field(
        default=None,
        description="How much the number of rows may change since the last delivery. `null`: by any amount.",
        examples=[{"fail_above_percent": 50}],
    )
    on_empty: Literal["fail", "skip", "send"] = Field(
        default="fail",
        description=(
            "What to do when the query gives no rows: `fail`; `skip` the run, nothing is sent; or `send` a file with"
            " the header only."
        ),
        examples=["skip"],
    )
    params: Params = Field(
        default_factory=dict,
        description=(
            "Parameters of a run: name -> JSON Schema. They make the form of a manual run. A text whose schema has no"
            " `pattern`, `enum` or `const` may hold no quote, `\\`, `;`, `--` or `/*`: put it between quotes in the"
            " query, and nobody can change the query by it."
        ),
        examples=[{"since": {"type": "string", "format": "date", "default": "2026-01-01"}}],
    )
    owner: OneLine | None = Field(default=None, description="Who answers for it; the DAG's owner.", examples=["crm"])
    owner_link: Annotated[OneLine, AfterValidator(_link)] | None = Field(
        default=None,
        description="Where to reach the owner: the link behind the name in Airflow's list of DAGs.",
        examples=["mailto:crm@example.com"],
    )
    tags: Annotated[tuple[OneLine, ...], Field(strict=False), AfterValidator(_tags)] = Field(
        default=(), description="Tags of the DAG, to filter by.", examples=[["weekly"]]
    )
    alerts: Alerts | None = Field(
        default=None,
        description="Who is told how its deliveries went, instead of whom the destination names. `null`: the same.",
        examples=[[{"connection": "slack_crm", "when": ["failure", "success"]}]],
    )
    campaign_name: OneLine | None = Field(
        default=None, description="What `{{campaign_name}}` stands for in filename templates.", examples=["spring"]
    )
    group_name: OneLine | None = Field(
        default=None, description="What `{{group_name}}` stands for in filename templates.", examples=["treatment_a"]
    )
    start_date: date | None = Field(
        default=None, description="First day of the schedule. `null`: from now on.", examples=["2026-01-01"]
    )

    @model_validator(mode="after")
    def _runs_by_itself(self) -> Orchestration:
        for name, schema in self.params.items():
            if self.workflow != "manual" and "default" not in schema:
                raise mistake(
                    "has no default, but the workflow runs without a person who could fill it in. Add a default.",
                    "params", name,
                )  # fmt: skip
        return self
