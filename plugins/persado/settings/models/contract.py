"""Column contracts: what a receiver requires, checked before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from persado.settings.fields import OneLine, Strict, unique

BUILT_IN = Path(__file__).parent.parent / "contracts"


class ContractColumn(Strict):
    """What a contract requires of one column."""

    name: OneLine = Field(description="The column's header in the file.", examples=["Hashed_Email"])
    required: bool = Field(
        default=True, description="Whether the file must have the column, rather than may have it.", examples=[False]
    )
    type: Literal["text", "md5_hex", "unix_seconds", "integer", "date"] = Field(
        default="text",
        description=(
            "What the values must look like: any `text`; `md5_hex`: 32 lower-case hex digits; `unix_seconds`: a whole"
            " number of seconds since 1970; `integer`: a whole number; `date`: YYYY-MM-DD."
        ),
        examples=["md5_hex"],
    )
    nullable: bool = Field(default=True, description="Whether a value may be NULL or an empty text.", examples=[False])


class Contract(Strict):
    """The columns that a receiver requires."""

    description: str = Field(
        default="", description="What the contract is for.", examples=["Loyalty members for the summer campaign"]
    )
    columns: Annotated[
        tuple[ContractColumn, ...],
        Field(strict=False, min_length=1),
        AfterValidator(lambda columns: unique(columns, (column.name for column in columns))),
    ] = Field(
        description="The columns, in any order.",
        examples=[[{"name": "Hashed_Email", "type": "md5_hex", "nullable": False}]],
    )
