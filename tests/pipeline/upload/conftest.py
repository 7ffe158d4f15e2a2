"""A site's folder and three real servers for it; every test is checked for leftovers."""

from support.expect import nothing_left_behind, short_pauses
from support.sites.sending import folder, server

__all__ = ["folder", "nothing_left_behind", "server", "short_pauses"]
