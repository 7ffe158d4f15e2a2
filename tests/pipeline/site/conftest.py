"""A site's folder; every test is checked for leftovers."""

from support.expect import nothing_left_behind, short_pauses
from support.sites.sending import folder

__all__ = ["folder", "nothing_left_behind", "short_pauses"]
