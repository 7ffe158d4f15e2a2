"""Alerts about deliveries."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from persado.settings.fields import ConnectionId, Strict, mistake, unique

Occasion = Literal["failure", "warning", "success"]


def _address(text: str) -> str:
    if not re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+", text):
        raise mistake("expected one e-mail address, such as crm-team@example.com.")
    return text


class Alert(Strict):
    """A message by e-mail or to a Slack channel. It contains no customer data."""

    connection: ConnectionId = Field(
        description=(
            "Airflow connection to send with: with `to`, one of type `smtp`; otherwise one with the URL of a Slack"
            " webhook in host and password, as in type `slackwebhook`."
        ),
        examples=["smtp_default"],
    )
    to: (
        Annotated[
            tuple[Annotated[str, AfterValidator(_address)], ...],
            Field(strict=False, min_length=1),
            AfterValidator(lambda addresses: unique(addresses, addresses)),
        ]
        | None
    ) = Field(
        default=None,
        description="E-mail addresses. `null`: the message goes to Slack.",
        examples=[["crm-team@example.com"]],
    )
    when: Annotated[
        tuple[Occasion, ...],
        Field(strict=False, min_length=1),
        AfterValidator(lambda occasions: unique(occasions, occasions)),
    ] = Field(
        default=("failure", "warning"),
        description=(
            "`failure`: a task failed for the last time, or a guard, contract or gate refused the delivery; `warning`:"
            " it was delivered, with warnings in its receipt; `success`: it was delivered."
        ),
        examples=[["failure", "success"]],
    )


Alerts = Annotated[tuple[Alert, ...], Field(strict=False)]
