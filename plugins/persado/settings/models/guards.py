"""Row guards: limits that stop a delivery before anything is sent, or warn."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from persado.settings.fields import Strict, mistake


class RowGuards(Strict):
    """How many rows are expected. `on_empty` decides about an empty result."""

    fail_below: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Fewer rows stop the delivery before anything is sent.", examples=[1]
    )
    fail_above: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="More rows stop the delivery before anything is sent.", examples=[5_000_000]
    )
    warn_below: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Fewer rows give a warning.", examples=[1000]
    )
    warn_above: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="More rows give a warning.", examples=[1_000_000]
    )

    @model_validator(mode="after")
    def _something_passes(self) -> RowGuards:
        for low, high in (("fail_below", "fail_above"), ("warn_below", "warn_above")):
            below, above = getattr(self, low), getattr(self, high)
            if below is not None and above is not None and below > above:
                raise mistake(f"{low} {below} is more than {high} {above}, so no number of rows would pass. Swap them.")
        return self


class ChangeGuard(Strict):
    """How much the number of rows may differ from the last delivery. `on_empty` decides about an empty result."""

    fail_above_percent: Annotated[int, Field(ge=1)] = Field(
        description=(
            "A larger difference, up or down, stops the delivery before anything is sent. `on_empty` decides about an"
            " empty result. After an empty delivery, any number passes with a warning."
        ),
        examples=[50],
    )
