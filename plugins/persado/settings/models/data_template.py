"""A data template: which columns are sent."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from persado.settings.fields import OneLine, Strict, mistake
from persado.settings.models.access import Access
from persado.settings.models.columns import Columns
from persado.settings.models.file_settings import SettingsLayer


def _function(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", text):
        raise mistake("expected module:function, such as my_transforms:shorten_names.")
    return text


class DataTemplate(Strict):
    """Which columns are sent through a destination, and how."""

    destination: OneLine = Field(
        description="Name of a file in `destinations/`, without `.yaml`.", examples=["persado"]
    )
    description: str = Field(default="", description="What the template is for.", examples=["Weekly segment"])
    columns: Columns | None = Field(
        default=None,
        description="The columns of the file, in this order. If omitted, all columns of the query are sent.",
        examples=[[{"name": "Hashed_Email"}, {"name": "birth_dt", "from": "birthdate", "pii": True}]],
    )
    settings: SettingsLayer = Field(
        default_factory=SettingsLayer,
        description="Settings that add to or override the destination's, key by key. `null` overrides too.",
        examples=[{"header": False}],
    )
    access: Access = Field(
        default_factory=Access, description="Who else may send.", examples=[{"business_users": True}]
    )
    transform: Annotated[str, AfterValidator(_function)] | None = Field(
        default=None,
        description=(
            "Python function `module:function` from a module in `include/`. It takes each batch of rows as a pandas"
            " DataFrame and returns one."
        ),
        examples=["my_transforms:shorten_names"],
    )
    contract: OneLine | None = Field(
        default=None,
        description=(
            "Column contract that every row must meet: `marketing_engagement`, `segment`, or the name of a file in"
            " `contracts/`, without `.yaml`."
        ),
        examples=["segment"],
    )
