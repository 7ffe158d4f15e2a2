"""Peculiarities of sites. Each has a name, and the default is the safe behaviour."""

from __future__ import annotations

from pydantic import Field

from persado.settings.fields import Strict


class Quirks(Strict):
    """Peculiarities of the site. Set only what it needs."""

    stat_after_rename: bool = Field(
        default=True,
        description=(
            "`false`: the site hides, moves or removes a file as soon as it has its final name, so a file that is gone"
            " after the rename is not an error. Its size is still checked before the rename."
        ),
        examples=[False],
    )
    posix_rename: bool = Field(
        default=True,
        description=(
            "`false`: do not use the site's `posix-rename`. An older file of the name is then renamed first, and"
            " removed when the new one is in place. Sites that do not offer `posix-rename` do not need this."
        ),
        examples=[False],
    )
    hidden_names: bool = Field(
        default=True,
        description=(
            "`false`: the site refuses names that begin with a dot. Unfinished files are then called `persado-….part`,"
            " and are visible in the folder."
        ),
        examples=[False],
    )
    lock_file: bool = Field(
        default=True,
        description=(
            "`false`: write no lock file. Two deliveries of the same name at the same time are then not kept apart, and"
            " a retry sends files again that a killed try had already put in place."
        ),
        examples=[False],
    )
