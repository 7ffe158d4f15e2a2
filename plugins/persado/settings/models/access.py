"""Who else may send."""

from __future__ import annotations

from pydantic import Field

from persado.settings.fields import Strict


class Access(Strict):
    """Who else may send. Destination AND data template must allow it; the default is no. See `docs/access.md`."""

    business_users: bool = Field(
        default=False, description="Whether business users may run the deliveries.", examples=[True]
    )
    limited_pii: bool = Field(
        default=False,
        description=(
            "Whether business users with limited access to personal data may send columns marked `pii`, or all columns"
            " of a query whose columns are not listed."
        ),
        examples=[True],
    )
