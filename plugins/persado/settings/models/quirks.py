"""What some sites do differently: each has a name, and the safe behaviour is the default."""

from __future__ import annotations

from pydantic import Field

from persado.settings.fields import Strict


class Quirks(Strict):
    """What the site does differently; set only what it needs."""

    stat_after_rename: bool = Field(
        default=True,
        description=(
            "`false`: the site hides, moves or takes a file as soon as it has its final name, so that a file that"
            " cannot be found there any more is no error. Its size is still checked before the rename."
        ),
        examples=[False],
    )
    posix_rename: bool = Field(
        default=True,
        description=(
            "`false`: the site's `posix-rename` must not be used. An older file of the name is then renamed aside and"
            " removed when the new one is in place. A site that does not offer it is recognised without this."
        ),
        examples=[False],
    )
    hidden_names: bool = Field(
        default=True,
        description=(
            "`false`: the site refuses names that begin with a dot. Files on their way are then called"
            " `persado-….part`, which whoever lists the folder sees."
        ),
        examples=[False],
    )
    lock_file: bool = Field(
        default=True,
        description=(
            "`false`: no lock file is written. Two deliveries of one name at the same time are then not kept apart, and"
            " a retry sends again what a killed try had put in place already."
        ),
        examples=[False],
    )
