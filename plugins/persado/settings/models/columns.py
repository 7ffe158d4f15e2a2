"""The columns of a file: order, headers, constants, personal data."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from persado.settings.fields import OneLine, Strict, mistake, unique, without_default
from persado.settings.text.yaml_text import as_yaml


class Column(Strict):
    """One column of the file: a column of the query, renamed or not, or a constant."""

    name: OneLine = Field(description="The column's header in the file.", examples=["birth_dt"])
    from_: OneLine | None = Field(
        default=None,
        alias="from",
        description="The query's column, if its name differs from `name`.",
        examples=["birthdate"],
    )
    value: str | Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | bool | None = Field(
        default=None,
        json_schema_extra=without_default,
        description="A constant for every row, instead of a column of the query. `null` is a constant too.",
        examples=["US"],
    )
    pii: bool = Field(
        default=False,
        description="Marks personal data: previews mask its values, and the task `gate` checks who may send it.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Column:
        if self.constant and self.from_ is not None:
            raise mistake("has both 'from' and 'value', but a column is either copied or constant. Remove one.")
        return self

    @property
    def constant(self) -> bool:
        """Whether every row gets `value`, even if that is null."""
        return "value" in self.model_fields_set

    @property
    def source(self) -> str:
        """The query's column to copy; meaningless for a constant."""
        return self.from_ if self.from_ is not None else self.name

    @property
    def origin(self) -> str:
        """Where the column comes from: ``from birthdate``, ``constant US``; empty if it has the query's name."""
        if self.constant:
            return "constant" if self.pii else f"constant {as_yaml(self.value)}"
        return f"from {self.source}" if self.source != self.name else ""


Columns = Annotated[
    tuple[Column, ...],
    Field(strict=False, min_length=1),
    AfterValidator(lambda columns: unique(columns, (column.name for column in columns))),
]
